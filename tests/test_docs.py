"""What the docs say is run: every code block, in order, on a small collection; links lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from birds import MEDIA, make_birds
from doc_blocks import Call, blocks, code_only, commands, plain_call, run_page

ROOT = Path(__file__).resolve().parent.parent
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if page.exists()]
EVERY_PAGE = [*PAGES, *sorted(ROOT.glob("*.*.md")), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]

SAMPLE = """# Page

```python
from pathlib import Path
n = len(Path("birds.csv").read_text().splitlines())
```

Prose, then output that is not code:

```
$ not-a-command
```

```console
$ wc -l birds.csv > count.txt && \\
  echo done
done
```

<!-- not run: needs a printer -->
```console
$ print-on-paper
```

1. An indented block in a list:

   ```python
   assert n == int(Path("count.txt").read_text().split()[0])  # both counted the header
   ```
"""


@pytest.fixture
def birds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of birds, as the present folder."""
    folder = tmp_path / "birds"
    make_birds(folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_code_block_runs(page: Path, birds: Path) -> None:
    run_page(page, birds)


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda p: p.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_chinese_readme_has_the_same_code() -> None:
    english, chinese = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh.md"))
    assert [code_only(b) for b in blocks(chinese)] == [code_only(b) for b in blocks(english)]


def test_blocks_are_found_and_run_in_order(birds: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(SAMPLE, "utf-8")
    found = blocks(SAMPLE)
    assert [(b.language, b.run) for b in found] == [
        ("python", True),
        ("console", True),
        ("console", False),
        ("python", True),
    ]
    assert SAMPLE.splitlines()[found[0].line - 1] == "from pathlib import Path"
    assert commands(found[1].text) == ["wc -l birds.csv > count.txt &&   echo done"]
    assert run_page(page, birds) == 3


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("```python\n\n1 / 0\n```", ZeroDivisionError),
        ("```console\n$ false\n```", AssertionError),
        ("```console\n$ chiasm inspect nothing.csv\n```", AssertionError),
        ("```python\nx = 1\n", ValueError),
    ],
)
def test_a_wrong_block_fails_and_names_its_line(
    text: str, error: type[Exception], birds: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{text}", "utf-8")
    with pytest.raises(error) as caught:
        run_page(page, birds)
    if error is ZeroDivisionError:
        assert caught.traceback[-1].lineno + 1 == 5
        assert caught.traceback[-1].path == page


@pytest.mark.parametrize(
    ("command", "call"),
    [
        ("chiasm inspect a.csv", Call(["inspect", "a.csv"], None, None)),
        (
            "chiasm fit 'a b.csv' --json > f.json 2> n.txt",
            Call(["fit", "a b.csv", "--json"], "f.json", "n.txt"),
        ),
        (
            "chiasm search m --where 'n > 3' -k 2",
            Call(["search", "m", "--where", "n > 3", "-k", "2"], None, None),
        ),
        ('chiasm search m t="a cat" v="[1, 2]"', Call(["search", "m", "t=a cat", "v=[1, 2]"], None, None)),
        ("chiasm inspect a.csv | head -1", None),
        ("chiasm inspect a.csv || echo failed", None),
        ("chiasm inspect *.csv", None),
        ("chiasm inspect $FILE", None),
        ("chiasm inspect < a.csv", None),
        ("chiasms inspect a.csv", None),
        ("echo chiasm inspect a.csv", None),
    ],
)
def test_a_plain_call_is_told_from_what_takes_a_shell(command: str, call: Call | None) -> None:
    assert plain_call(command) == call


def test_a_plain_call_writes_its_streams(birds: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ chiasm inspect birds.csv --quick --json > i.json 2> n.txt\n```", "utf-8")
    run_page(page, birds)
    assert json.loads((birds / "i.json").read_text("utf-8"))["rows"] == 60
    assert (birds / "n.txt").read_text("utf-8") == ""


def test_comments_may_be_translated_but_code_may_not() -> None:
    english, chinese, other = (
        blocks(f"```python\n{code}\n```")[0]
        for code in ("x = 1  # one\n# two\ny = 2", "x = 1  # 一\n# 二\ny = 2", "x = 1\ny = 3")
    )
    assert code_only(english) == code_only(chinese) != code_only(other)


def test_birds_are_the_same_for_the_same_seed_and_have_gaps(tmp_path: Path) -> None:
    first, again = make_birds(tmp_path / "a"), make_birds(tmp_path / "b")
    assert first.read_bytes() == again.read_bytes()
    assert sorted(p.read_bytes() for p in first.parent.rglob("*.*")) == sorted(
        p.read_bytes() for p in again.parent.rglob("*.*")
    )
    header, *rows = [line.split(",") for line in first.read_text("utf-8").splitlines()]
    cells = [[dict(zip(header, row, strict=True))[name] for name in MEDIA] for row in rows]
    absent = [cell == "" for row in cells for cell in row]
    assert len(rows) == 60
    assert 0.1 < sum(absent) / len(absent) < 0.3
    assert all(any(row) for row in cells)
