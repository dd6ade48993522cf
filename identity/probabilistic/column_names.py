"""What columns are called, in English and other languages, and what they hold: patterns over the words of a name, joined by "_".

Languages are those of the patterns below: German, French, Spanish, Italian, Portuguese, Dutch, Polish and the Nordic ones; Russian,
Chinese, Japanese and Korean as `anyascii` writes them in Latin letters (character by character: 姓名 is xing_ming).
"""

from __future__ import annotations

import re

_NO = r"(number|num|nbr|no|nr|numero)"
_RELATIVE = (
    r"(spouse|husband|wife|partner|(grand)?(father|mother|parent)|(ehe)?partner|guardian|emergency|next_of_kin|nok|kin|dependa?e?nt)s?"
)
_FORMER = r"(alias|aka|former|previous|prev|prior|old|maiden|birth|nick|preferred|pref|known_as|alt(ernat\w+)?)"
_BIRTH_PLACE = r"(place|city|town|village|state|country|county|province|region|municipality|location)"
_AREA = (
    r"state|province|county|district|region|area|country|parish|ward|precinct|municipality_district|department_of_residence|canton|kanton"
    r"|bundesland|land|staat|kreis|provincia|estado|departamento|pais|pays|paese|provincie|voivodeship|wojewodztwo|gmina|powiat|fylke"
    r"|oblast|strana|uf|nation"
)

_ROLE = (
    r"(full|complete|person|customer|contact|primary|display|client|patient|pat|voter|member|employee|subscriber|applicant|participant"
    r"|passenger|travell?er|guest|attendee|delegate|registrant|donor|contributor|claimant|insured|(policy|account|card|share)_?holder"
    r"|holder|borrower|debtor|payer|payee|sender|recipient|beneficiary|counter_?party|consignee|buyer|seller|tenant|resident|citizen"
    r"|taxpayer|author|inventor|student|pupil|learner|driver|prospect|lead|respondent|suspect|offender|inmate|defendant"
    r"|plaintiff|victim|witness|deceased|decedent|candidate|worker|staff|billing|shipping|bill_to|ship_to|delivery|invoice"
    r"|principal|individual|athlete|player|child|visitor|speaker|homeowner|householder|occupant|volunteer|trainee)"
)
_TELEPHONE_OF = r"(privat|mobil|geschaft(lich)?|dienst(lich)?|buro|domicile|bureau|prive|werk|casa|trabajo|ufficio|fijo|fixe)"
AREA = re.compile(rf"(.*_)?(state(_?(or_?)?province)?|province(_state)?|{_AREA})(_(name|code|abbr\w*|id|province))?")
"""Areas larger than a town. Where a table has a town or a postal code they repeat it."""

OWNER = re.compile(r"(property_|deed_|land_|vehicle_)?owners?(_names?)?(_1)?")
"""Who owns what a record is of; where a table has other names, mostly who is in charge of the record."""

LABEL = re.compile(r"_(code|cd|desc|description|lbl|label|abbrv?|abbreviation|txt|text)$")
"""What is put behind a name to tell a code from its meaning."""

SHORT = {
    "nm": "name", "frst": "first", "fst": "first", "lst": "last", "mid": "middle", "phn": "phone", "ph": "phone", "gndr": "gender",
    "cust": "customer", "ctry": "country", "cntry": "country", "st": "state", "mon": "month", "mo": "month", "yr": "year", "ln":
    "line", "ln1": "line_1", "ln2": "line_2", "zipcd": "zip",
    "cst": "customer", "clnt": "client", "brth": "birth", "dt": "date", "pstl": "postal",
    "birthyr": "birth_year", "pername1": "first_name", "pername2": "last_name", "namefrst": "first_name", "namelast": "last_name", "enumpc":
    "postcode", "enumcap": "address",
}  # fmt: skip
"""Words as they are shortened where names of columns have to be short; read so only where they mean nothing else."""

PATTERNS: tuple[tuple[str, str], ...] = (
    (
        "ignored",
        r"(last|first)?_?(updated|modified|created|seen).*|.*_(updated|modified|created)_(at|on|date)|household.*|cluster.*|entity.*"
        r"|unique_id|(.*_)?(uuid|guid)|row(_?(id|num|number|no|nr))?|rec(ord)?_?(id|no|num|number)|id|_?id|index|idx|pk|sk|(primary_|row_"
        r"|record_)?(key|hash)|enterprise_?id|data_?set|source.*|website|web|.*url|homepage|lat|lon|lng|latitude|longitude|fips"
        r"|last_login|(tax_|survey_|fiscal_)?(year|month|quarter|day)|tax_form|(is|has|accepts?|do_?not)_.+|stat(e|us)_?code"
        r"|(.*_)?exp(iry|iration)?_(month|year|date|mm|yy)|card_(brand|type|issuer|country|issue_country|funding)",
    ),
    (
        "identifier",
        r"(.*_)?(hashed|sha\d*|md5)_(.+_)?(e_?mail|phone|mobile|ssn)(_.+)?"
        r"|(.*_)?(e_?mail|phone|mobile|ssn)(_address|_number)?_(hash(ed)?|sha_?\d*|md5)"
        r"|hem",
    ),
    ("text", rf"{_RELATIVE}_(\d_)?(contact_)?(.*_)?(sur|last|first|given|maiden|full|birth|middle)?_?(name|initial)s?"),
    ("ignored", rf"{_RELATIVE}_.+|employer_(?!name$).+|employers_.+"),
    (
        "text",
        rf"(.*_)?{_FORMER}_?(first|last|given|family|middle|sur|full)?_?names?(_\d)?|(also_)?known_as|(alias(es)?|aka|nickname)(_\d)?"
        r"|maiden|nom_de_jeune_fille|geburtsname|cognome_da_nubile|second_?(last_?name|surname|family_?name)|(segundo_)?apellido_?(2"
        rf"|materno)|segundo_apellido|(last_?name|surname|apellido)_?2|birth_?{_BIRTH_PLACE}|{_BIRTH_PLACE}_?of_birth|born_in"
        r"|geburts(ort|land)|lieu_(de_)?naissance|lugar_(de_)?nacimiento|luogo_(di_)?nascita|local_(de_)?nascimento|geboorteplaats"
        r"|miejsce_urodzenia",
    ),
    (
        "organisation_name",
        r".*(organi[sz]ation|company|business|employer|org)(_\d)?(_name)?|.*name_org|.*site_name|(legal|trading|account)_name|firma"
        r"|unternehmen|empresa|societe|entreprise|azienda|bedrijf|firmenname|razon_social|ragione_sociale"
        r"|gong_si|hui_she_ming|hoe_sa",
    ),
    ("ignored", r"(.*_)?street_?(type|dir(ection)?|suffix|sufx|prefix|pre|post).*|(apt|apartment|flat|suite|unit)(_.*)?"),
    ("name_suffix", r"(.*_)?(name_)?(suffix|sufx|sfx|generation)(_(name|cd|lbl|code))?"),
    (
        "birth_year",
        r"(.*_)?((date_of_)?(birth|b)_?(year|yr|y)|dob_?(year|yr|y)|(year|yr)_?of_?birth|year_birth|birthday_year)|yob|by|(geburts"
        r"|geboorte|fodsels|fodelse)(jahr|jaar|ar)|annee_(de_)?naissance|year_?birth|anasc|ano_(de_)?naci?mi?e?nto|anno_(di_)?nascita",
    ),
    ("birth_month", r"(.*_)?((date_of_)?(birth|b)_?(month|m)|dob_?(month|m)|month_?of_?birth|month_birth|birthday_month)|mob|bm"),
    ("birth_day", r"(.*_)?((date_of_)?(birth_|b_?)d(ay)?(?<!bday)|dob_?(day|d)|day_?of_?birth|day_birth|birthday_day)|bd"),
    (
        "birth_date",
        r"(.*_)?(date_?(of_?)?birth|birth_?(date|dt|dttm)|dob(_?(date|dt|dttm|iso))?|d_o_b|birth_?day|b_?day|b_?date|dt_?(of_?)?birth)"
        r"|dob_?(yyyy_?mm_?dd|ddmmyyyy|mmddyyyy)|born|birth|geburts(datum|tag)|geb_?(datum|dat)|(date_?(de_?)?)?naissance|date_?naiss|(fecha_?(de_?)?)?nacimiento|fecha_?nac"
        r"|data_?(di_?)?nascita|(data_?(de_?)?)?nascimento|data_?nasc|dt_?nasc|geboortedatum|data_urodzenia|fodsels(dato|dag)"
        r"|fodelse(datum|dag)|data_rozhdeniya"
        r"|chu_sheng_(ri_qi|nian_yue)|sheng_ri|sheng_nian_yue_ri|saeng_nyeon_wol_il",
    ),
    (
        "age",
        r"(.*_)?age(_?in_?years|_(at|in|years?|yrs)(_.*)?)?|(.*_)?(alter|edad|idade|leeftijd|wiek)"
        r"|nian_ling|na_i|vozrast",
    ),
    (
        "ignored",
        r".*e_?mail_?(domain|opt.*|verified|status|type|consent|valid.*)|.*(phone|tel|mobile)_?(type|ext|extension|verified|status"
        r"|opt.*)|.*(phone|tel|mobile|cell|fax)_?(country|area|dial\w*|calling|isd)_?(code|prefix)|(dial|dialling|dialing|calling|isd|std)_?code",
    ),
    (
        "email",
        r"(.*_)?(e_?mail|eml)(_?\d)?(_?addr(ess)?)?(_?\d)?(_(home|work|primary|personal|private|other|business|privat"
        r"|value))?|e?_?mail(_?id)?"
        r"|(.*_)?correo(_electronico)?|(.*_)?(courriel|epost|e_post|(e_?)?mail_?adress?e?s?|adresse_e?_?mail|pochta)"
        r"|(dian_zi_)?you_(xiang|jian)|meru(adoresu)?|ime_il",
    ),
    (
        "phone",
        rf"(.*_)?(phone|tele?phone|mobile(_?phone)?|cell(_?phone)?|tel|msisdn|whatsapp)(_?{_NO})?(_?\d)?(_(home|work|mobile|cell"
        rf"|primary|main|day|evening|other|value|{_TELEPHONE_OF}|{_NO}))?|(contact|mob|cell)_?{_NO}|telefon(nummer|o|e)?(_?\d)?(_{_TELEPHONE_OF})?"
        r"|tele?foon(nummer)?|handy(nummer)?"
        r"|mobil(nummer|telefon)?|celular|cellulare|movil|portable|komorka"
        r"|dian_hua(_hao_ma|_fan_hao)?|shou_ji(_hao(_ma)?)?|jeon_hwa(_beon_ho)?|hyu_dae_pon",
    ),
    (
        "identifier",
        rf".*(ssn|soc_sec|social_security|passport|licen[cs]e|national|personal)_?(id|{_NO})?|(.*_)?(tax|nhs|nino|vat|lei)_?(id|{_NO})?"
        r"|(last_?4_?)?ssn(_?last)?(_?4)?|drivers|(.*_)?(mrn(_id)?|npi|ncid|tin|ein|empi)|(.*_)?(voter(_reg(istration)?)?|chi|hospital|frequent_flyer|ff|medicare|medicaid|member(ship)?"
        rf"|loyalty|insurance|policy|student|pupil|matriculation)_?(card|{_NO}|id)(_{_NO})?"
        r"|(.*_)?(iban|user_?name|login(_name)?|screen_name)"
        rf"|(bank_|account_|acct_)+{_NO}|bank_account|credit_card(_{_NO})?|card_{_NO}|(vehicle_|car_)?(licen[cs]e_)?plate(_{_NO})?"
        rf"|vehicle_reg(istration)?(_{_NO})?|vin|(national_|citizen_|personal_|identity_|identification_)?(id_?(card"
        rf"|{_NO}|document)|identification)(_{_NO})?|(citizen|identity)_{_NO}|dni|nif|nie|curp|rfc|cpf|bsn|pesel|nir|codice_fiscale"
        r"|(codice_|numero_)?tessera|person_?nummer|cpr|ahv(_nr)?|aadhaa?r(_.*)?|cedula|snils|emirates_id|steuer_?(id|nummer)"
        r"|shen_fen_zheng(_hao(_ma)?)?|inn",
    ),
    (
        "middle_name",
        r"(.*_)?((middle|mid|midl|second)_?(name|initial)s?|mname|minit|name_middle|middle)|mi|otchestvo|second_?name|other_(given_"
        r"|fore)?names?",
    ),
    (
        "family_first_name",
        r"(.*_)?(sur|last|family)_?(name_?)?(and_)?(first|fore|given)_?names?|names?_(last|family|surname)_(first|given)|nom_(et_)?prenoms?"
        r"|cognome_(e_)?nome|apellidos?_(y_)?nombres?|sobrenome_e_nome|(nach)?name_(und_)?vorname|achternaam_(en_)?voornaam"
        r"|nazwisko_i_imie|fio|familiya_imya(_otchestvo)?",
    ),
    (
        "full_name",
        rf"{_ROLE}?_?names?(_full|_1)?|name_on_card|(customer|patient|passenger|guest|donor|contributor|claimant|(policy|account|card)_?holder|payee"
        r"|beneficiary|counter_?party|author|inventor|athlete|player)|.*_name_full|(.*_)?full_?name|first_and_(sur|last)_?name|nombre_completo"
        r"|(first|fore|given)_?names?_(and_)?(sur|last|family)_?name|names?_(first|given)_(last|family|surname)|prenoms?_(et_)?nom"
        r"|nome_(e_)?cognome|nombres?_(y_)?apellidos?|nome_e_sobrenome|(vorname|vor)_(und_)?(nach)?name|voornaam_(en_)?achternaam"
        r"|nome_completo|nom_complet|(voll|gesamt)name|imie_i_nazwisko"
        r"|xing_ming|shi_ming|ming_qian|ming_zi|ileum|seong_myeong",
    ),
    (
        "family_name",
        rf"{_ROLE}_(last|family)|(.*_)?((sur|last|family|fam|l)_?_?name(_?c?_?1)?|surname(_?1)?|lname(_c1)?|name_(last|family)|(first_)?surname)|sname|nm_last|last|family"
        r"|(nach|familien|zu)name|nom(_de_famille|_usuel)?|(primer_)?apellidos?(_?1|_paterno)?|cognome|sobrenome|achternaam|nazwisko"
        r"|(etter|efter|slekts)na[mv]n|familiya"
        r"|xing(_shi)?|seong",
    ),
    (
        "given_name",
        rf"{_ROLE}_(first|given)|(.*_)?((first|given|fore|christian|f)_?_?names?(_?c?_?1)?|fname(_c1)?|name_(first|given))|nm_first|(first_?name|given_?name|forename|prenom|vorname)_[sn]|forename|first|given|vornamen?"
        r"|prenoms?|(primer_)?nombres?(_?1)?(_de_pila)?|nome|voorna(am|men)|roepnaam|imie|(for|fore)na[mv]n|imya"
        r"|ming",
    ),
    (
        "house_number",
        rf"(.*_)?(street|house|building|hse|addr(ess)?_street)_?{_NO}|(.*_)?housenumber|house|haus_?(nummer|nr)|huisnummer"
        r"|numero_civico",
    ),
    (
        "street",
        r"(.*_)?(addr?(ess)?_?\d?_?(line)?_?1|street(_?(name|addr(ess)?|line))?(_?1)?|st_?name|strasse(n_?name|_?(und_)?(haus_?)?(nummer|nr))?)|calle|rue|via|rua|straat(naam)?"
        r"|ulica|gat(a|uadress)|ulitsa",
    ),
    ("ignored", r"(ip|mac|web|wallet)_?addr(ess)?|addr(ess)?_?(type|id|since)"),
    (
        "address",
        r"(.*_)?addr(ess)?(_(full|text|raw|string))?|full_address_line|anschrift|adresse|direccion|domicilio|indirizzo|endereco|adres|adress"
        r"|de_zhi|zhu_suo|ju_so",
    ),
    ("ignored", r"(.*_)?zip_?(code)?_?(plus)?_?4|.*zip_?(code)?_?(ext|plus).*"),
    (
        "postcode",
        r"(.*_)?(post_?_?code|postal(_?code)?|zip(_?code)?_?[59]?|plz|pin_?code|eircode)(_\w+)?|postleitzahl|(codigo|code"
        r"|codice)_postale?|cep|cap|cp|postnummer|postnr|kod_pocztowy|indeks"
        r"|you_(zheng_)?bian(_ma|_fan_hao)?|upyeon_beon_ho",
    ),
    (
        "city",
        r"(.*_)?(city|town|suburb|locality|place|municipality|ort|village|hometown|town_city)(_?name)?|(wohn)?ort|stadt|ville|commune"
        r"|ciudad|localidad|municipio|poblacion|cidade|comune|citta|(woon)?plaats|miasto|miejscowosc|poststed|gorod"
        r"|cheng_shi|shi_qu_ting_cun|do_si",
    ),
    (
        "gender",
        r"(.*_)?(sex|gender)(_?code|_c|_identity|_at_birth)?|geschlecht|sexo?|genero|genre|sexe|sesso|geslacht|plec|kj?on|pol|m_f"
        r"|xing_bie|seong_byeol",
    ),
    (
        "ignored",
        r".*(_type|_country|_state|_region|_role|_key|status|amount|category|date|time|unit.*|flag)|timestamp|registr_dt"
        r"|(.*_)?(wages?|salary|income|balance|revenue|expenses|score|notes?|comments?|remarks?|price|cost|currency|token|user_agent)"
        r"|ip(_?v[46])?|(session|request|transaction|tx|order|invoice|payment|receipt|basket|cart)_?(id|number|no|nr)|utm_.+"
        r"|opt_?(in|out)(_.+)?",
    ),
)
"""(kind, pattern), most telling first."""
