"""Which columns of a table nobody has described are compared, and as what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from identity.probabilistic.kinds import Field, Kind, kind_of, recognise
from identity.probabilistic.prepare import TABLE, prepare

CALLED = {
    Kind.GIVEN: "first_name FirstName fname fname_c1 givenname forenames first_names patient_first_name billing_first_name "
    "student_first name_given "
    "legal_first_name nm_first FIRST Vorname nombre nombres prénom nome voornaam imie fornavn förnamn имя",
    Kind.MIDDLE: "middle_initial midl_name mname mi MIDDLE second_name отчество",
    Kind.FAMILY: "last_name surname lname lname_c1 familyName patient_last_name nm_last LAST Nachname Familienname sname "
    "name_family apellido apellidos "
    "apellido_paterno primer_apellido nom nom_de_famille cognome sobrenome achternaam nazwisko etternavn efternamn фамилия",
    Kind.FULL: "name names full_name first_and_surname customer_name patient_name ContactName NAME_FULL nombre_completo "
    "passenger_name contributor_name account_holder name_on_card author counterparty ship_to_name",
    Kind.SUFFIX: "SUFFIX name_suffix name_sufx_cd name_suffix_lbl pat_suffix",
    Kind.ORGANISATION: "company CompanyName employer employer_name organisation business_name AccountName Firma empresa",
    Kind.BIRTH_DATE: "dob DOB birth_date BIRTHDATE dateOfBirth DateOfBirth date_birth patient_dob bday birth_dt born Geburtsdatum "
    "fecha_nacimiento fecha_de_nacimiento date_de_naissance data_di_nascita data_nascimento geboortedatum fødselsdato",
    Kind.BIRTH_YEAR: "by byear birth_year yob yearofbirth year_of_birth dob_year dob_y yearbirth Geburtsjahr",
    Kind.BIRTH_MONTH: "bm bmonth birth_month month_of_birth dob_month",
    Kind.BIRTH_DAY: "bd birth_day day_of_birth dob_day",
    Kind.AGE: "age birth_age age_at_year_end ageinyears Alter edad",
    Kind.EMAIL: "email e-mail EmailAddress email1 email_2 work_email primary_email email_primary E-mail_2_Address correo courriel E_MAIL",
    Kind.PHONE: "phone PHONE2 phone1 phone_number home_phone phone_home cellphone mobile_no full_phone_number contact_number "
    "mob_no tel1 Telefon "
    "Telefonnummer Handy teléfono celular móvil téléphone",
    Kind.STREET: "street address1 address_line_1 res_street_address mail_addr1 mailing_address_street_name street_name "
    "MailingStreet address1_line1 ADD_LINE_1 "
    "Straße calle rue straat",
    Kind.ADDRESS: "address full_address mailing_address Anschrift dirección endereço adres",
    Kind.HOUSE_NUMBER: "house_num street_number house_no mailing_address_street_number Hausnummer huisnummer",
    Kind.POSTCODE: "zip zip5 zip_code postcode PostalCode postcode_fake pincode zip9 PLZ code_postal código_postal",
    Kind.CITY: "city suburb town res_city_desc mail_city Ort Stadt Wohnort ville ciudad città woonplaats miasto",
    Kind.GENDER: "sex gender gendercode sex_code gender_code Geschlecht sexo género geslacht",
    Kind.IDENTIFIER: "ssn SOC_SEC ssn4 soc_sec_id medicare_no mrn voter_reg_num passport_number dni curp codice_fiscale bsn pesel "
    "username iban account_number student_id licence_plate card_number voter_id PAT_MRN_ID frequent_flyer_number tessera "
    "hashed_email email_sha256 sha256_phone_number phone_hash",
    Kind.TEXT: "occupation birth_place BIRTHPLACE birth_state country_of_birth maiden_name mothers_maiden_name father_name "
    "alias_first_name spouse_first_name emergency_contact_name segundo_apellido apellido_materno race_desc job_title nickname school_name "
    "product_name teacher_name",
    Kind.IGNORED: "id row_num uuid tax_year year wages employer_id employer_street_name employer_city employer_zipcode employer_phone "
    "spouse_ssn emergency_contact_phone state_cd county_desc zip4 street_type_cd unit_number created_at is_active website "
    "email_verified phone_type customer_uuid session_id order_number ip utm_campaign opt_in price HasOptedOutOfEmail DoNotCall "
    "address1_stateorprovince card_exp_month statecode",
}


SHORTENED = {
    Kind.GIVEN: "PERNAME1 NAMEFRST FRST_NM first_nm",
    Kind.FAMILY: "PERNAME2 NAMELAST LAST_NM",
    Kind.FULL: "cust_nm full_nm",
    Kind.BIRTH_DATE: "CST_BRTH_DT",
    Kind.EMAIL: "CST_EML_ADDR",
    Kind.BIRTH_YEAR: "BIRTHYR birth_yr",
    Kind.BIRTH_MONTH: "DOB_MON birth_mo",
    Kind.POSTCODE: "ENUMPC zip_cd PSTL_CD",
    Kind.ADDRESS: "ENUMCAP",
    Kind.CITY: "CITY_NM",
    Kind.PHONE: "phn_nbr ph_no",
    Kind.GENDER: "GNDR_CD",
    Kind.IGNORED: "ST_CD ctry_cd",
    Kind.TEXT: "BPL st_mary",
}
AS_EXPORTED = {
    Kind.GIVEN: "Forename(s)|Vorname(n)|Prénom(s)|First Name",
    Kind.FULL: "firstname_lastname|Name (First, Last)|Vor- und Nachname|Prénom Nom|Nombre y apellidos|Nome e cognome|Athlete",
    Kind.FAMILY_FIRST: "Last Name, First Name|Last Name First Name|Surname Forename|Name (Last, First)|Nachname, Vorname|Nom Prénom",
    Kind.PHONE: "Tel. privat|Tel.|Telefon geschäftlich|Telefon mobil|Phone 1 - Value|Phone (Home)|Mobile No.",
    Kind.EMAIL: "E-mail 1 - Value|E-Mail privat|Email Address",
    Kind.STREET: "Straße/Nr.|Straße und Hausnummer|ADDR_LN1_TXT|Address 1",
    Kind.ORGANISATION: "Organization 1 - Name",
    Kind.IDENTIFIER: "Customer VAT number|vat_no|Tax ID|passport no.|Personal ID",
    Kind.IGNORED: "Phone Country Code|Mobile area code|dial_code|calling code|Phone 1 - Type",
    Kind.TEXT: "ADDR_LN2_TXT|Address Line 2",
}
"""Headers with blanks and signs, as address books and back offices export them."""
CALLED_ELSEWHERE = {
    Kind.FULL: "姓名 氏名 名前 이름",
    Kind.FAMILY_FIRST: "ФИО",
    Kind.FAMILY: "姓 성",
    Kind.GIVEN: "名",
    Kind.BIRTH_DATE: "出生日期 生年月日 생년월일 дата_рождения",
    Kind.AGE: "年龄 возраст",
    Kind.PHONE: "电话 手机号 電話番号 전화번호 телефон",
    Kind.EMAIL: "邮箱 メールアドレス 이메일 почта",
    Kind.ADDRESS: "地址 住所 주소 адрес",
    Kind.CITY: "城市 город",
    Kind.GENDER: "性别 성별 пол",
    Kind.POSTCODE: "邮编 郵便番号 индекс",
    Kind.IDENTIFIER: "身份证号 снилс",
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in SHORTENED.items() for name in names.split()])
def test_columns_are_known_by_short_names(kind: Kind, name: str) -> None:
    assert kind_of(name) is kind


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in AS_EXPORTED.items() for name in names.split("|")])
def test_columns_are_known_as_they_are_exported(kind: Kind, name: str) -> None:
    assert kind_of(name) is kind


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in CALLED_ELSEWHERE.items() for name in names.split()])
def test_columns_are_known_in_other_scripts(kind: Kind, name: str) -> None:
    assert kind_of(name) is kind


@pytest.mark.parametrize(
    ("written", "given", "family"),
    [
        ("山田 太郎", "tailang", "shantian"),
        ("山田太郎", "tailang", "shantian"),
        ("王伟", "wei", "wang"),
        ("김 민준", "minjun", "gim"),
        ("阿卜杜勒·热合曼", "abodulei", "reheman"),
        ("Иванова Анна Петровна", "anna", "ivanova"),
        ("Ivanov Ivan Il’ich", "ivan", "ivanov"),
        ("Анна Петровна Иванова", "anna", "ivanova"),
        ("Шевченко Тарас", "taras", "shevchenko"),
        ("Петров И.С.", "i", "petrov"),
        ("Roman Arkadyevich Abramovich", "roman", "abramovich"),
        ("Mary Ellen Johanna", "mary", "johanna"),
        ("Eva Smith", "eva", "smith"),
        ("Anna K.", "anna", "k"),
        ("van der Berg Jan", "jan", "berg"),
        ("von Arnim Bettina", "bettina", "arnim"),
        ("De La Cruz Juan", "juan", "cruz"),
        ("Van Morrison", "van", "morrison"),
        ("Jan van der Berg", "jan", "berg"),
    ],
)
def test_the_family_name_may_come_first(written: str, given: str, family: str) -> None:
    assert [prepared([Kind.FULL], [(written,)], column) for column in ("given", "family")] == [[given], [family]]


def prepared(kinds: Sequence[Kind], rows: Sequence[Sequence[str | None]], wanted: str) -> list[Any]:
    """Column `wanted` of records that have a value of each of `kinds`, in their normal forms."""
    with duckdb.connect() as con:
        values = [pa.array([row[i] for row in rows], pa.string()) for i in range(len(kinds))]
        columns = [pa.array(range(len(rows))), pa.array([0] * len(rows)), *values]
        con.register("record", pa.table(columns, names=["rec", "source", *(f"n{i}" for i in range(len(kinds)))]))
        prepare(con, "record", [(Field(f"a{i}", kind), f"n{i}") for i, kind in enumerate(kinds)], ())
        return [value for (value,) in con.execute(f"SELECT {wanted} FROM {TABLE} ORDER BY rec").fetchall()]


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in CALLED.items() for name in names.split()])
def test_columns_are_known_by_what_they_are_called(kind: Kind, name: str) -> None:
    assert kind_of(name) is kind


def test_what_repeats_another_column_is_left_out() -> None:
    fields = recognise(["last_name", "sex", "race_code", "race_desc", "county_id", "county_desc", "state", "zip_code"])
    assert [field.attribute for field in fields] == ["last_name", "sex", "race_code", "zip_code"]
    # where nothing else tells a place, a state does
    assert [field.attribute for field in recognise(["name", "state", "county_desc"])] == ["name", "state", "county_desc"]
    assert [field.attribute for field in recognise(["name", "race_desc"], {"race_desc": Kind.IGNORED})] == ["name"]


def test_an_owner_is_the_person_where_nobody_else_is_named() -> None:
    assert [field.kind for field in recognise(["owner_name", "mailing_address"])] == [Kind.FULL, Kind.ADDRESS]
    assert [field.kind for field in recognise(["name", "owner_name"])] == [Kind.FULL, Kind.TEXT]


@pytest.mark.parametrize(
    ("written", "given", "middle", "family"),
    [
        ("SMITH JOHN A", "john", "a", "smith"),
        ("Smith, John A.", "john", "a", "smith"),
        ("VAN DER BERG JAN", "jan", None, "berg"),
        ("Nagy Mária", "maria", None, "nagy"),
        ("DR SMITH JOHN JR", "john", None, "smith"),
        ("王伟", "wei", None, "wang"),
        ("Cher", None, None, "cher"),
    ],
)
def test_the_family_name_comes_first_where_the_column_says_so(written: str, given: str, middle: str, family: str) -> None:
    read = [prepared([Kind.FAMILY_FIRST], [(written,)], column)[0] for column in ("given", "middle", "family")]
    assert read == [given, middle, family]


def test_hospitals_write_names_with_carets() -> None:
    assert prepared([Kind.FULL], [("SMITH^JOHN^A",)], "concat_ws(' ', given, middle, family)") == ["john a smith"]


def test_a_name_beside_a_surname_is_the_given_name() -> None:
    both = (Kind.FULL, Kind.FAMILY)
    assert prepared(both, [("Ada", "lovelace"), ("Ada Lovelace", "lovelace"), ("Lovelace", "lovelace")], "given") == ["ada", "ada", None]
    assert prepared((Kind.FULL, Kind.GIVEN), [("Müller", "anna")], "family") == ["muller"]
    assert prepared((Kind.FULL, Kind.GIVEN, Kind.FAMILY), [("Müller", None, "müller"), ("Anna", None, "müller")], "given") == [None, "anna"]


def test_a_suffix_of_its_own_tells_generations_apart() -> None:
    names = [("smith", "jr."), ("smith jr", None), ("smith", "iii"), ("smith", "phd"), ("smith", None)]
    assert prepared((Kind.FAMILY, Kind.SUFFIX), names, "generation") == ["2", "2", "3", None, None]


def test_a_birth_year_counts_where_there_is_no_birth_date() -> None:
    assert prepared([Kind.BIRTH_DATE, Kind.BIRTH_YEAR], [("1.3.70", "1970"), (None, "1970")], "dob") == ["19700301", "19700000"]


def test_an_age_counts_where_there_is_no_birth_date() -> None:
    assert prepared([Kind.AGE], [("42",), ("42.0",), ("7 years",), ("431",), ("n/a",), (None,)], "age") == [42, 42, 7, None, None, None]
    assert prepared([Kind.AGE, Kind.BIRTH_DATE], [("42", "1980-01-01")], "dob") == ["19800101"]


def test_a_single_word_is_a_given_name_unless_a_title_is_before_it() -> None:
    names = [("Ann",), ("Ms Smith",), ("Ann Smith",)]
    assert prepared([Kind.FULL], names, "concat_ws(' ', coalesce(given, '?'), coalesce(family, '?'))") == ["ann ?", "? smith", "ann smith"]


def test_of_several_whole_names_one_of_more_words_counts() -> None:
    assert prepared([Kind.FULL, Kind.FULL], [("Ann", "Ann Smith"), ("Ann Smith", "A Smith"), (None, "Ann")], "family") == [
        "smith",
        "smith",
        None,
    ]
