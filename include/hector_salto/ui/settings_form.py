"""Add integration, Edit settings: Hector's form on the page, for those who may edit connections in Airflow."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from airflow.api_fastapi.core_api.security import get_user
from airflow.configuration import conf
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk import BaseHook
from cryptography.fernet import Fernet, InvalidToken
from fastapi import APIRouter, Depends, HTTPException, Request, status
from fastapi.responses import HTMLResponse
from starlette.datastructures import FormData

from hector_salto.access.texts import comparable
from hector_salto.connect.conversation import first_fault
from hector_salto.connect.draft import SECRETS, Draft, as_json
from hector_salto.connect.form import (
    ADDRESS_OF,
    SECTIONS,
    Form,
    Section,
    answers_of,
    needed_sections,
    said_by,
    section_fault,
    show,
)
from hector_salto.connect.question import Fault, Kind
from hector_salto.connect.questions import QUESTIONS
from hector_salto.connect.services import Services
from hector_salto.http_client.errors import RestError
from hector_salto.integration import IntegrationError
from hector_salto.integration_files import SANDBOX, load_all, load_integration, names_of_files
from hector_salto.ui.dag_runs import sync_dag
from hector_salto.ui.integration_writer import FileChangedError, Saved, digest_of, save
from hector_salto.ui.pages import page
from hector_salto.ui.permissions import FORM_LIVES, Visitor, VisitorDep, own_form

if TYPE_CHECKING:
    from collections.abc import Sequence

router = APIRouter()
LONGEST_FIELD = 4000
NOT_TESTED = "Airflow's setting [core] test_connection is not Enabled: nothing is asked of the services from here"
CHANGED = "the file was changed meanwhile: load this page again"
TAKEN = "there is an integration of this name: edit it, or choose another name"


@dataclass(frozen=True)
class Sent:
    """A form as it came back.

    Attributes:
        name: of the integration that is edited; empty: a new one.
        draft: the answers.
        before: those of the file and connections that are there.
        digest: of the file that the form was made of.
        answered: the sections whose service had answered.
        wish: a section that is to be tested, ``save``, or empty: show it again.
    """

    name: str
    draft: Draft
    before: Draft
    digest: str
    answered: frozenset[str]
    wish: str


async def fields_of(request: Request) -> FormData:
    return await request.form(max_files=0, max_fields=2000, max_part_size=LONGEST_FIELD * 4)


FieldsDep = Annotated[FormData, Depends(fields_of)]


@router.get("/settings", dependencies=[Depends(get_user)])
def settings(request: Request, visitor: VisitorDep, integration: str = "") -> HTMLResponse:
    """The form: of a new integration, or of one that is there."""
    before = _before(visitor, integration)
    sent = Sent(integration, before, before, digest_of(integration) if integration else "", frozenset(), "")
    return _form(request, visitor, sent, Services(before))


@router.post("/settings", dependencies=[Depends(get_user), Depends(own_form)])
def send_settings(request: Request, visitor: VisitorDep, fields: FieldsDep) -> HTMLResponse:
    """Test a section, or save; what is wrong is said at its question, and nothing is saved then."""
    sent = _sent(visitor, fields)
    services = Services(sent.draft)
    section = next((one for one in SECTIONS if one.tests and one.key == sent.wish), None)
    if section is not None:
        return _test(request, visitor, sent, services, section)
    if sent.wish == "save":
        return _save(request, visitor, sent, services)
    return _form(request, visitor, sent, services)


def _test(request: Request, visitor: Visitor, sent: Sent, services: Services, section: Section) -> HTMLResponse:
    if not _may_ask():
        return _form(request, visitor, sent, services, notes={section.key: NOT_TESTED})
    fault = section_fault(section, sent.draft, services)
    if fault is not None:
        left = replace(sent, answered=sent.answered - {section.key})
        return _form(request, visitor, left, services, fault=fault)
    try:
        said = said_by(section, sent.draft, services)
    except RestError as error:
        said = str(error)
    known = replace(sent, answered=sent.answered | {section.key})
    return _form(request, visitor, known, services, notes={section.key: said})


def _save(request: Request, visitor: Visitor, sent: Sent, services: Services) -> HTMLResponse:
    name = str(sent.draft.get("name"))
    if not sent.name and name in names_of_files():
        return _form(request, visitor, sent, services, fault=Fault("name", TAKEN))
    fault = (
        _taken_connection(sent)
        or _taken_site(sent)
        or (first_fault(QUESTIONS, sent.draft, services) if _may_ask() else None)
    )
    if fault is not None:
        return _form(request, visitor, sent, services, fault=fault)
    try:
        saved = save(sent.draft, sent.before, sent.digest, visitor.name)
    except IntegrationError as error:
        return _form(request, visitor, sent, services, fault=Fault("", str(error)))
    except FileChangedError:
        return _form(request, visitor, sent, services, fault=Fault("", CHANGED))
    return _saved(request, name, saved)


def _taken_connection(sent: Sent) -> Fault | None:
    """Return that Airflow has another connection of the id that a new integration's would get."""
    for conn_id, fields in () if sent.name else sent.draft.connections().items():
        try:
            found = as_json(BaseHook.get_connection(conn_id))
        except AirflowNotFoundException:
            continue
        if found != fields:
            return Fault("name", f"Airflow has another connection {conn_id} already: delete it, or choose another name")
    return None


def _taken_site(sent: Sent) -> Fault | None:
    """Return that another integration has the site; the sandbox's is for trying, and the run says whose the site is."""
    wanted = comparable(str(sent.draft.get("site_id")))
    others = [
        name
        for name, one in load_all()[0].items()
        if comparable(one.site_id) == wanted and name not in {sent.name, SANDBOX}
    ]
    if not others:
        return None
    return Fault("site_id", f"the site belongs to the integration {others[0]}: edit that one, or choose another site")


def _saved(request: Request, name: str, saved: Saved) -> HTMLResponse:
    return HTMLResponse(page(request, "settings_saved.html.j2", view="integrations", name=name, saved=saved))


def _form(  # noqa: PLR0913 - what a form is made of
    request: Request,
    visitor: Visitor,
    sent: Sent,
    services: Services,
    *,
    fault: Fault | None = None,
    notes: dict[str, str] | None = None,
) -> HTMLResponse:
    form: Form = show(sent.draft, services, sent.answered if _may_ask() else ())
    shown = {
        "sections": needed_sections(form.draft),
        "prompts": form.prompts,
        "draft": form.draft,
        "kinds": Kind,
        "name": sent.name,
        "digest": sent.digest,
        "answered": sorted(sent.answered),
        "fault": fault,
        "shown": {one.question.key for prompts in form.prompts.values() for one in prompts}
        - ({"name"} if sent.name else set()),
        "notes": notes or {},
        "sealed": _seal(visitor, form.draft, sent.before),
        "token": visitor.form_token(),
    }
    code = status.HTTP_200_OK if fault is None else status.HTTP_422_UNPROCESSABLE_CONTENT
    return HTMLResponse(page(request, "settings.html.j2", view="integrations", **shown), status_code=code)


def _before(visitor: Visitor, name: str) -> Draft:
    """Return the answers of an integration that is there; none for a new one.

    Raises:
        HTTPException: 403 or 404.
    """
    if not name:
        if not visitor.may_edit_connection(None):
            raise HTTPException(status.HTTP_403_FORBIDDEN, "adding an integration needs the right to add connections")
        return Draft().with_fingerprint_key()
    try:
        found = Draft.of(name, load_integration(name)) if visitor.may_read(sync_dag(name)) else None
    except IntegrationError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, str(error)) from None
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"there is no integration {name!r} that you may read")
    if not all(visitor.may_edit_connection(one) for one in (found.hector_conn_id, found.salto_conn_id)):
        raise HTTPException(status.HTTP_403_FORBIDDEN, f"you may not edit the connections of {name}")
    return found.with_connections().with_fingerprint_key()


def _sent(visitor: Visitor, fields: FormData) -> Sent:
    def values(name: str) -> Sequence[str]:
        return [text[:LONGEST_FIELD].replace("\0", "") for text in fields.getlist(name) if isinstance(text, str)]

    def one(name: str) -> str:
        return next(iter(values(name)), "")

    name = one("integration")
    before = _before(visitor, name)
    begun = Draft({**before.answers, **_unseal(visitor, one("sealed"))})
    draft = answers_of(values, list(fields), begun)
    draft = draft.put("name", name) if name else draft
    answered = frozenset(values("answered")) & {section.key for section in SECTIONS if section.tests}
    return Sent(name, draft, before, one("digest"), answered, one("wish"))


def _may_ask() -> bool:
    """Return whether Airflow lets its api-server ask services of an address that somebody has typed."""
    return str(conf.get("core", "test_connection", fallback="Disabled")).strip().lower() == "enabled"


# --- secrets: typed once, never shown again ---------------------------------------------------------------------------


def _seal(visitor: Visitor, draft: Draft, before: Draft) -> str:
    """Return the secrets that were typed, and what they were typed for, encrypted for this visitor's next request."""
    addresses = {one for keys in ADDRESS_OF.values() for one in keys}
    new = {key: draft.get(key) for key in SECRETS if draft.get(key, None) not in {None, before.get(key, None)}}
    new |= {key: draft.get(key) for key in addresses if new and draft.get(key, None) is not None}
    return _cipher(visitor).encrypt(json.dumps(new).encode()).decode() if new else ""


def _unseal(visitor: Visitor, sealed: str) -> dict[str, Any]:
    if not sealed:
        return {}
    try:
        found: dict[str, Any] = json.loads(_cipher(visitor).decrypt(sealed.encode(), ttl=FORM_LIVES))
    except InvalidToken:
        raise HTTPException(
            status.HTTP_403_FORBIDDEN, "this form is too old or not yours: load the page again"
        ) from None
    return found


def _cipher(visitor: Visitor) -> Fernet:
    secret = f"{conf.get_mandatory_value('api', 'secret_key')}:settings:{visitor.user.get_id()}"
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()))
