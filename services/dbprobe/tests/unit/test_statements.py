"""What T-SQL would do beside one select: its protocol takes several statements, so the words are looked at."""

import pytest
from steptrail_dbprobe.domain.statements import writes_in_tsql

pytestmark = pytest.mark.req("FR-012")


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("select 1 delete from orders", "delete"),
        ("with a as (select 1 x) update orders set a = 1", "update"),
        ("select * into stolen from orders", "into"),
        ("select 1 exec xp_cmdshell 'dir'", "exec"),
        ("select * from openrowset('x', 'y', 'z')", "openrowset"),
        ("select 1 /* harmless */ waitfor delay '1:00'", "waitfor"),
        ("select 'it''s' drop table orders", "drop"),
        ("select 1 --\n; drop table orders", "drop"),
        ("select 1; select 2", "a second statement"),
        ("select ';' ; select 2 ;", "a second statement"),
    ],
)
def test_words_that_one_select_does_not_need_are_found(statement: str, word: str) -> None:
    """With or without a semicolon before them."""
    assert writes_in_tsql(statement) == word


@pytest.mark.parametrize(
    "statement",
    [
        "select [delete], \"update\", 'drop table x; --' from orders;",
        "select deleted_at, updates from inserted_orders -- delete\n",
        "select 1 /* ; drop table orders */ ",
        "select ';'",
    ],
)
def test_names_texts_and_comments_are_left_alone(statement: str) -> None:
    """A column may be called `delete`."""
    assert writes_in_tsql(statement) is None
