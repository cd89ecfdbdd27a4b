"""The hook ``aexl_config``, by the example of its page in the reference."""

from __future__ import annotations


def test_hook_config(example, make_host):
    host = make_host({"greeting": example["GreetingPlugin"]}, "[greeting]\ntext = 'Moin'\n")

    assert host.current.section(example["Greeting"]).text == "Moin"
