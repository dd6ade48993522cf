"""Functions that a mapping, a policy or a query may call: names of DuckDB functions, as data. What is not here is refused.

SCALAR functions give the same value for the same arguments and touch nothing outside of them. Left out on purpose:
- what reads files, the network, the environment, settings, variables, the catalog or other rows: read_*, glob, sniff_csv,
  getenv, getvariable, current_setting, current_*, pg_*, has_*_privilege, in_search_path, stats, vector_type, version, txid_*;
- SQL by text or by name: query, query_table, json_execute_serialized_sql, json_serialize_plan, json_(de)serialize_sql,
  list_aggregate(list, 'name');
- what changes state or differs from call to call: nextval, currval, setseed, random, uuid, write_log, sleep_ms;
- error() and assert_true(), which throw a text of the caller's choice; engine internals (__internal_*, create_sort_key,
  combine, finalize, can_cast_implicitly); range and generate_series as scalars, which make lists of any length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from sqlglot import exp
from sqlglot.dialects import DuckDB
from sqlglot.tokenizer_core import TokenType


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


TEXT = _names("""
    ascii bar base64 bin bit_length char_length character_length chr concat concat_ws contains damerau_levenshtein decode editdist3
    encode ends_with format format_bytes formatreadabledecimalsize formatreadablesize from_base64 from_binary from_hex hamming hash hex
    ilike_escape instr jaccard jaro_similarity jaro_winkler_similarity lcase left left_grapheme len length length_grapheme levenshtein
    like_escape lower lpad ltrim md5 md5_number mismatches nfc_normalize not_ilike_escape not_like_escape octet_length ord
    parse_dirname parse_dirpath parse_filename parse_path position prefix printf regexp_escape regexp_extract regexp_extract_all
    regexp_full_match regexp_matches regexp_replace regexp_split_to_array repeat replace reverse right right_grapheme rpad rtrim
    sha1 sha256 split split_part starts_with str_split str_split_regex string_split string_split_regex string_to_array strip_accents
    strlen strpos substr substring substring_grapheme suffix to_base to_base64 to_binary to_hex translate trim ucase unbin unhex unicode
    upper url_decode url_encode
""")
NUMBERS = _names("""
    abs acos acosh add asin asinh atan atan2 atanh bit_count cbrt ceil ceiling cos cosh cot degrees divide even exp factorial fdiv
    floor fmod gamma gcd greatest_common_divisor isfinite isinf isnan lcm least_common_multiple lgamma ln log log10 log2 mod multiply
    nextafter pi pow power radians round round_even roundbankers sign signbit sin sinh sqrt subtract tan tanh trunc xor
""")
TIME = _names("""
    century date_add date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc day dayname dayofmonth dayofweek
    dayofyear days_in_month decade epoch epoch_ms epoch_ns epoch_us era extract hour isodow isoyear julian last_day make_date make_time
    make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz microsecond millennium millisecond minute month monthname
    nanosecond normalized_interval quarter second strftime strptime time_bucket timezone timezone_hour timezone_minute to_centuries
    to_days to_decades to_hours to_microseconds to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds to_timestamp
    to_weeks to_years try_strptime week weekday weekofyear year yearweek
""")
GENERAL = _names("cast coalesce greatest if ifnull isnull least nullif try try_cast typeof")
LISTS = _names("""
    array_append array_cat array_concat array_contains array_distinct array_extract array_filter array_has array_has_all array_has_any
    array_indexof array_intersect array_length array_position array_prepend array_reverse array_reverse_sort array_slice array_sort
    array_to_string array_transform array_unique array_value array_zip cardinality element_at filter flatten list_any_value list_append
    list_apply list_avg list_bool_and list_bool_or list_cat list_concat list_contains list_count list_distinct list_element
    list_extract list_filter list_first list_has list_has_all list_has_any list_indexof list_intersect list_last list_max list_median
    list_min list_mode list_pack list_position list_prepend list_product list_reduce list_resize list_reverse list_reverse_sort
    list_select list_slice list_sort list_string_agg list_sum list_transform list_unique list_value list_where list_zip map map_concat
    map_contains map_entries map_extract map_extract_value map_from_entries map_keys map_values row struct_concat struct_extract
    struct_insert struct_keys struct_pack
""")
JSON = _names("""
    from_json from_json_strict json json_array json_array_length json_contains json_exists json_extract json_extract_path
    json_extract_path_text json_extract_string json_keys json_merge_patch json_object json_pretty json_quote json_structure
    json_transform json_transform_strict json_type json_valid json_value row_to_json to_json array_to_json
""")

SCALAR = TEXT | NUMBERS | TIME | GENERAL | LISTS | JSON

STABLE = _names("""
    age ago current_date current_localtime current_localtimestamp current_time current_timestamp get_current_time
    get_current_timestamp localtime localtimestamp now today transaction_timestamp
""")
"""One value throughout a query, another in the next. For queries and policies; not for mappings, whose values must not move."""

AGGREGATES = _names("""
    any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null arg_min arg_min_null argmax argmin
    array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count count_if count_star countif covar_pop covar_samp entropy favg first
    fsum geomean geometric_mean group_concat histogram json_group_array json_group_object kahan_sum kurtosis kurtosis_pop last list
    listagg mad max max_by mean median min min_by mode product quantile quantile_cont quantile_disc regr_avgx regr_avgy regr_count
    regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy sem skewness stddev stddev_pop stddev_samp string_agg sum sumkahan
    var_pop var_samp variance wavg weighted_avg
""")
WINDOWS = _names("cume_dist dense_rank fill first_value lag last_value lead nth_value ntile percent_rank rank rank_dense row_number")

TABLES = _names("unnest")
"""Table functions. `range` and `generate_series` are not among them: whoever runs them must bound their length first."""

_OPERATORS = (exp.Connector, exp.Case, exp.If, exp.Cast, exp.TryCast, exp.Exists, exp.Array, exp.Struct)
"""sqlglot's functions that are written as operators or syntax; what is inside them is visited on its own."""

_SYNTAX = _names("""
    and all any as between by case char decimal distinct else enum filter from group grouping grouping_id ilike in interval is like not
    numeric on or over select similar struct then to union using values varchar when where within
""")
"""Words that a bracket follows without making a call."""

_WORD = re.compile(r"^[A-Za-z_]\w*$")
_TOKENIZER = DuckDB.Tokenizer()


def functions_in(tree: exp.Expr) -> Iterator[tuple[str, exp.Expr]]:
    """Every function called in a tree, by the name under which DuckDB would run it (lower case), with its node.

    It looks at what sqlglot *writes*, not at what it read: the same function has many spellings and classes, but only the
    text that is written reaches DuckDB.

    >>> import sqlglot
    >>> tree = sqlglot.parse_one('''lower(a) || getenv('HOME') || "read_text"('x') || current_user''', dialect="duckdb")
    >>> [name for name, node in functions_in(tree)]
    ['current_user', 'read_text', 'lower', 'getenv']
    """
    for node in tree.walk():
        if isinstance(node, exp.Func) and not isinstance(node, _OPERATORS):
            for name in _called(_without_queries(node).sql("duckdb", comments=False)):
                yield name, node


def _without_queries(node: exp.Expr) -> exp.Expr:
    """The call with NULL for the queries inside it: what they call is found at their own nodes, and `AS t(a, b)` is no call."""
    if isinstance(node, exp.UDTF) and node.args.get("alias"):
        node = node.copy()
        node.set("alias", None)
    if node.find(exp.Query) is None:
        return node
    return node.transform(lambda part: exp.null() if isinstance(part, exp.Query) else part)


def _called(sql: str) -> Iterator[str]:
    """What is called in a rendered expression: words before a bracket, and a word that stands alone."""
    found = list(_TOKENIZER.tokenize(sql))
    if len(found) == 1 and (_WORD.match(found[0].text) or found[0].token_type is TokenType.IDENTIFIER):
        yield found[0].text.lower()  # current_date and its like
    for word, bracket in pairwise(found):
        quoted = word.token_type is TokenType.IDENTIFIER
        if bracket.token_type is not TokenType.L_PAREN or not (quoted or _WORD.match(word.text)):
            continue
        if word.token_type is TokenType.STRING or (not quoted and word.text.lower() in _SYNTAX):
            continue
        yield word.text.lower()
