"""Who looks at the page, and what Airflow lets them do; tokens that prove that a form came from one of our pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import (
    AccessView,
    ConnectionDetails,
    DagAccessEntity,
    DagDetails,
)
from airflow.api_fastapi.core_api.security import GetUserDep  # noqa: TC002 - FastAPI reads the annotation
from airflow.configuration import conf
from airflow.models.dag import DagModel
from fastapi import Depends, Form, HTTPException, Request, status
from itsdangerous import BadSignature, URLSafeTimedSerializer

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

SALT = "hector-salto: forms of the page"
FORM_LIVES = 12 * 60 * 60  # seconds
OWN_PAGES = frozenset({"same-origin", "none"})  # Sec-Fetch-Site of what our own pages and typed addresses send


@dataclass(frozen=True)
class Visitor:
    """One person, as Airflow's auth manager knows them."""

    user: BaseUser

    @property
    def name(self) -> str:
        return str(self.user.get_name())

    def may_read(self, dag_id: str) -> bool:
        return self._may("GET", dag_id)

    def may_trigger(self, dag_id: str) -> bool:
        """As Airflow's own trigger button asks."""
        return self._may("POST", dag_id, DagAccessEntity.RUN)

    def may_unpause(self, dag_id: str) -> bool:
        return self._may("PUT", dag_id)

    def may_answer(self, dag_id: str) -> bool:
        """A question under Required Actions."""
        return self._may("PUT", dag_id, DagAccessEntity.HITL_DETAIL)

    def may_read_import_errors(self) -> bool:
        return get_auth_manager().is_authorized_view(access_view=AccessView.IMPORT_ERRORS, user=self.user)

    def may_edit_connection(self, conn_id: str | None) -> bool:
        """Return whether this visitor may change a connection, or add one where there is no id."""
        method: ResourceMethod = "POST" if conn_id is None else "PUT"
        details = ConnectionDetails(conn_id=conn_id)
        return get_auth_manager().is_authorized_connection(method=method, details=details, user=self.user)

    def form_token(self) -> str:
        return _signer().dumps(str(self.user.get_id()))

    def _may(self, method: ResourceMethod, dag_id: str, entity: DagAccessEntity | None = None) -> bool:
        details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
        return get_auth_manager().is_authorized_dag(
            method=method, access_entity=entity, details=details, user=self.user
        )


def visitor(user: GetUserDep) -> Visitor:
    return Visitor(user)


VisitorDep = Annotated[Visitor, Depends(visitor)]


def own_form(request: Request, visitor: VisitorDep, token: Annotated[str, Form()] = "") -> None:
    """A form that one of our pages gave to this very person, a while ago at most.

    Raises:
        HTTPException: 403, when the form was forged, is too old, or was given to another visitor.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in OWN_PAGES:
        raise HTTPException(status.HTTP_403_FORBIDDEN, "this form was sent by another site's page")
    try:
        given_to = _signer().loads(token, max_age=FORM_LIVES)
    except BadSignature:
        given_to = None
    if given_to != str(visitor.user.get_id()):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "this form is too old or not yours: load the page again")


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(conf.get_mandatory_value("api", "secret_key"), salt=SALT)
