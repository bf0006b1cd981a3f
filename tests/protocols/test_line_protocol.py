"""Influx line protocol: what its grammar allows is read, and a bad line costs only itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.influx import UnknownPrecisionError, read_influx
from protocols.line_protocol import BadLine, Point, parse_lines
from protocols.readings import Quantity

NOW = 1_795_830_169_000_000


def points(text: str) -> list[Point | BadLine]:
    return list(parse_lines(text))


@pytest.mark.parametrize(
    ("line", "tags", "fields", "time"),
    [
        ("cpu usage_idle=9.5", {}, {"usage_idle": 9.5}, None),
        ("cpu,cpu=cpu-total usage_idle=1i 17", {"cpu": "cpu-total"}, {"usage_idle": 1.0}, 17),
        ("cpu,host=front\\ desk\\,1\\=a v=1u -17", {"host": "front desk,1=a"}, {"v": 1.0}, -17),
        ('disk,path=/ note="said \\"ok\\" \\\\, and = left",used=2 3', {"path": "/"}, {"used": 2.0}, 3),
        ('disk note="two\nlines",used=2 3', {}, {"used": 2.0}, 3),
        ('disk note="two\nlines, then \\"\nthree",used=2', {}, {"used": 2.0}, None),
        ("cpu a=t,b=False,v=.5e-3  42  ", {}, {"v": 0.0005}, 42),
        ("cpu v=1 42\r", {}, {"v": 1.0}, 42),
        ("win_disk,instance=C: v=1", {"instance": "C:"}, {"v": 1.0}, None),
        ("net,interface=Ethernet\\ 2,b=c=d v=1", {"interface": "Ethernet 2", "b": "c=d"}, {"v": 1.0}, None),
        ('m,loc="home" v=1', {"loc": '"home"'}, {"v": 1.0}, None),
    ],
)
def test_a_line_is_read(line: str, tags: dict[str, str], fields: dict[str, float], time: int | None) -> None:
    (point,) = points(line)
    assert isinstance(point, Point)
    assert (point.tags, point.fields, point.time) == (tags, fields, time)


@pytest.mark.parametrize(
    "line",
    [
        "cpu", "cpu ", "cpu v", "cpu v=", "cpu v=1,", "cpu v=1 2 3", "cpu v=NaN", "cpu v=1x", ",a=b v=1", "cpu,a v=1",
        'cpu v="open', "cpu v=1 12.5", "cpu,=b v=1", "{}", "cpu =1",
    ],
)  # fmt: skip
def test_a_bad_line_costs_only_itself(line: str) -> None:
    first, second, third = points(f"load v=1 1\n{line}\nload v=2 2")
    assert isinstance(first, Point)
    assert isinstance(second, BadLine)
    assert second.number == 2
    assert isinstance(third, Point)


def test_comments_and_empty_lines_are_nothing() -> None:
    assert points("\n# a comment\n   \n\r\n") == []


@pytest.mark.parametrize(("precision", "time"), [("", 1_795_830_169_195_117_547), ("ns", 1_795_830_169_195_117_547),
                                                 ("us", 1_795_830_169_195_117), ("ms", 1_795_830_169_195),
                                                 ("s", 1_795_830_169)])  # fmt: skip
def test_a_time_is_read_in_the_precision_of_the_request(precision: str, time: int) -> None:
    reading = read_influx(f"system load1=2 {time}".encode(), precision, NOW)
    assert [one.cell for one in reading.values] == [NOW]


def test_points_without_a_time_take_the_ten_seconds_of_their_receipt() -> None:
    reading = read_influx(b"system load1=2\nsystem load5=3", "", NOW)
    assert {one.cell for one in reading.values} == {NOW - NOW % 10_000_000}


def test_an_unknown_precision_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UnknownPrecisionError, match="use ns, us, ms or s"):
        read_influx(b"cpu v=1", "fortnight", NOW)


def test_the_line_of_one_core_is_not_the_device() -> None:
    reading = read_influx(b"cpu,cpu=cpu0 usage_idle=1\ncpu,cpu=cpu-total usage_idle=10,usage_iowait=5", "", NOW)
    assert [(one.quantity, one.value) for one in reading.values] == [(Quantity.CPU_BUSY, 85.0)]


@given(st.text(alphabet=st.sampled_from('a,= "\\\n\r#t1.i-/'), max_size=60))
def test_any_text_is_read_or_refused_line_by_line(text: str) -> None:
    for point in points(text):
        assert isinstance(point, Point | BadLine)


name = st.text(alphabet="ab ,=\\éñ", min_size=1, max_size=6).filter(lambda text: not text.endswith("\\"))


@given(st.dictionaries(name, st.text(alphabet="ab ,=é", min_size=1, max_size=6), max_size=3), st.floats(-1e9, 1e9))
def test_a_line_as_clients_write_it_comes_back(tags: dict[str, str], value: float) -> None:
    def escaped(text: str) -> str:
        return text.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")

    tags = {key: tag for key, tag in tags.items() if "\\" not in key}
    line = "m" + "".join(f",{escaped(key)}={escaped(tag)}" for key, tag in tags.items()) + f" v={value!r} 5"
    (point,) = points(line)
    assert isinstance(point, Point)
    assert (point.tags, point.fields) == (tags, {"v": value})


def test_lines_whose_strings_never_end_cost_a_look_each() -> None:
    body = 'cpu,host=a x="y\n' * 100_000
    assert sum(isinstance(one, BadLine) for one in parse_lines(body)) == 100_000
    body = 'cpu,host=a x="y\n' + "cpu,host=a x=1\n" * 100_000
    assert sum(isinstance(one, BadLine) for one in parse_lines(body)) == 1


def test_a_string_over_several_lines_with_escaped_quotes_is_one_point() -> None:
    (point,) = parse_lines('cpu,host=a x="y \\"\nz\n \\" end",busy=3 7\n')
    assert isinstance(point, Point)
    assert (point.fields, point.time) == ({"busy": 3}, 7)
