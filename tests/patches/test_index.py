"""The page names each sheet once, in order, and needs nothing else."""

import json
import re
from pathlib import Path

from vq.patches.index import Row, write_index

STATISTICS = dict(
    usage=0.5, perplexity=1.75, entropy=0.5596, codebook_size=4, used=2, dead=2,
    tokens=4,
)  # fmt: skip
ROWS = [Row(3, 3, 0.75, '3.png'), Row(0, 1, 0.25, '0.png')]


def test_the_page_lists_what_the_json_lists(tmp_path: Path) -> None:
    write_index(
        tmp_path,
        title='a <b> & c',
        statistics=STATISTICS,
        settings=dict(seed=0),
        rows=ROWS,
    )
    record = json.loads((tmp_path / 'index.json').read_text())
    assert record['statistics'] == STATISTICS and record['settings'] == dict(seed=0)
    page = (tmp_path / 'index.html').read_text()
    listed = [code['sheet'] for code in record['codes']]
    assert re.findall(r'<img [^>]*src="(.*?)"', page) == listed == ['3.png', '0.png']
    assert re.findall(r'href="(.*?)"', page) == listed  # and no other link
    assert '<h1>a &lt;b&gt; &amp; c</h1>' in page and 'http' not in page
    for text in ('2 (50.00%)', '>1.8<', '75.000%', 'width:33.3%', '0.5596 nats'):
        assert text in page
    assert sorted(p.name for p in tmp_path.iterdir()) == ['index.html', 'index.json']
