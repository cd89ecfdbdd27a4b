"""The hook ``aexl_metrics``, by the example of its page in the reference."""

from __future__ import annotations

from aexl.core.routes import metrics_text


def test_hook_metrics(example, make_host):
    text = metrics_text(make_host({"visitors": example["VisitorsPlugin"]}), 0)

    assert 'visitors_total{door="front"} 3' in text.splitlines()
