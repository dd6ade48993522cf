"""What tables and columns of people, orders and tickets are called elsewhere: the vocabulary by which mappings are proposed."""

from __future__ import annotations

from collections.abc import Mapping

from identity.probabilistic.kinds import Kind

OBJECT_WORDS: Mapping[str, str] = {
    "individual": "individual person people contact customer client member user subscriber patient guest buyer shopper consumer crm_user",
    "account": "account company organisation organization business firm household employer",
    "contact_point_email": "email email_address contact_email contact_point_email",
    "contact_point_phone": "phone phone_number telephone contact_phone contact_point_phone",
    "contact_point_address": "address postal_address customer_address contact_point_address",
    "party_identification": "identification identity_document passport party_identification",
    "lead": "lead prospect enquiry inquiry",
    "opportunity": "opportunity deal quote pipeline",
    "case": "case ticket issue complaint support_request service_request incident",
    "product": "product article item sku catalog_item",
    "sales_order": "order sales_order purchase sale transaction invoice receipt booking",
    "sales_order_line": "order_line order_item order_position line_item sales_order_line order_detail",
    "loyalty_account": "loyalty loyalty_account loyalty_member loyalty_program_member membership",
    "loyalty_transaction": "loyalty_transaction points point_transaction loyalty_points",
    "engagement_email": "email_event email_events newsletter mailing email_send email_open email_click engagement_email",
    "engagement_web": "web_event web_visit visit page_view pageview click session web_visits engagement_web",
    "engagement_call": "call phone_call call_log engagement_call",
    "consent": "consent opt_in permission preference gdpr_consent",
}
"""What tables of an object are called elsewhere."""

KINDS: Mapping[str, tuple[Kind, ...]] = {
    "email": (Kind.EMAIL,), "phone": (Kind.PHONE,), "first_name": (Kind.GIVEN,), "last_name": (Kind.FAMILY,), "full_name": (Kind.FULL,),
    "birth_date": (Kind.BIRTH_DATE,), "gender": (Kind.GENDER,), "street": (Kind.STREET, Kind.ADDRESS), "postal_code": (Kind.POSTCODE,),
    "city": (Kind.CITY,), "company_name": (Kind.ORGANISATION,),
}  # fmt: skip
"""What attributes are to identity resolution, which knows columns of them in many languages."""

ATTRIBUTE_WORDS: Mapping[str, str] = {
    "email": "mail e_mail email_address mail_address e_mail_address emailaddr primary_email email1 email_1 email_addr emailid email_id "
    "personal_email private_email home_email work_email",
    "phone": "tel telephone mobile phone_number mobile_number mobile_phone cell cell_phone phone_no msisdn telefon handy "
    "phone1 phone_1 telephone_number tel_no tel_nr mobile_no mob cellphone home_phone primary_phone phone_home phone_mobile work_phone",
    "first_name": "firstname given_name forename fname vorname prename first given name_first f_name first_nm given_names prenom",
    "last_name": "lastname surname family_name lname nachname last family name_last l_name last_nm surnames familienname nom",
    "full_name": "name fullname display_name customer_name contact_name person_name complete_name name_full",
    "title": "salutation form_of_address anrede prefix",
    "birth_date": "birthdate birthday dob date_of_birth birth born geburtsdatum birth_dt d_o_b bday day_of_birth",
    "gender": "sex geschlecht gender_code sex_code",
    "street": "address street_address address1 address_line1 addr1 strasse addr address_1 address_line_1 street1 "
    "street_line1 street_name line1 addr_line1",
    "street2": "address2 address_line2 addr2 address_2 address_line_2 street_line2 line2 addr_line2",
    "postal_code": "zip zip_code zipcode postcode plz post_code postalcode pcode zip5",
    "city": "town locality ort stadt city_name municipality suburb",
    "region": "state province county bundesland",
    "country": "country_code land nation",
    "language": "lang locale sprache",
    "company_name": "company employer organisation organization firma",
    "job_title": "position role occupation",
    "created_at": "created creation_date create_date inserted_at insert_date registered_at signup_date created_on date_created",
    "updated_at": "updated modified changed last_modified modified_at changed_at last_changed update_date last_update updated_on mtime",
    "total_amount": "total amount order_total grand_total total_price sum value order_value gross_amount",
    "tax_amount": "tax vat mwst",
    "tax_number": "tax_id vat_id vat_no vat_number ust_id ustid steuernummer vat_reg_no",
    "discount_amount": "discount rebate rabatt",
    "shipping_amount": "shipping shipping_cost freight delivery_fee",
    "ordered_at": "order_date ordered placed_at purchase_date purchased_at date ordered_on created created_at order_ts",
    "shipped_at": "ship_date shipped dispatched_at delivered_at",
    "order_number": "order_no order_nr number invoice_number",
    "items": "item_count quantity units n_items",
    "opened_at": "opened open_date created created_at reported_at",
    "closed_at": "closed close_date resolved_at solved_at",
    "case_number": "ticket_number ticket_no case_no",
    "subject": "title topic betreff",
    "occurred_at": "ts timestamp event_time event_ts at happened_at time date event_date",
    "type": "kind event event_type",
    "price": "unit_price list_price",
    "line_number": "line_no line_nr position pos",
    "quantity": "qty count units menge",
    "currency": "currency_code curr waehrung",
    "status": "state stage condition",
    "priority": "prio urgency severity",
    "channel": "source medium",
    "sku": "article_number item_number article_no",
    "name": "label designation bezeichnung",
    "captured_at": "given_at consented_at granted_at date updated_at",
    "purpose": "scope topic",
}
"""What attributes are called elsewhere; the attribute's own name always counts."""
