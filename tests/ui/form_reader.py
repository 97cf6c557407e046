"""A page's form as a browser sends it: the fields with the values that it shows."""

from __future__ import annotations

from html.parser import HTMLParser


class FormReader(HTMLParser):
    """The fields of a page's first form; ``options`` what each list offers."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self.options: dict[str, list[str]] = {}
        self._select, self._area = "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        name, value = found.get("name") or "", found.get("value") or ""
        if tag == "input" and name and (found.get("type") != "checkbox" or "checked" in found):
            self.fields.setdefault(name, []).append(value)
        if tag == "input" and found.get("type") == "checkbox":
            self.options.setdefault(name, []).append(value)
        if tag == "select":
            self._select = name
        if tag == "option":
            self.options.setdefault(self._select, []).append(value)
            if "selected" in found:
                self.fields[self._select] = [value]
        if tag == "textarea":
            self._area = name
            self.fields[name] = [""]

    def handle_endtag(self, tag):
        if tag == "textarea":
            self._area = ""

    def handle_data(self, data):
        if self._area:
            self.fields[self._area] = [self.fields[self._area][0] + data]
