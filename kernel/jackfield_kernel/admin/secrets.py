"""Admin: secrets."""

from __future__ import annotations

from jackfield.v1 import admin_state_pb2

from ..errors import Refused
from ..journal.times import stamp
from ..session.installation import Installation
from ..state.secrets import SecretStore, check_secret
from ..telemetry.redaction import Redactor
from .views import View


class SecretsPart:
    """Secrets: set, named, removed; never shown."""

    def __init__(
        self, view: View, store: SecretStore, installation: Installation, redactor: Redactor
    ) -> None:
        self._view = view
        self._store = store
        self._installation = installation
        self._redactor = redactor

    async def set_secret(
        self, request: admin_state_pb2.SetSecretRequest
    ) -> admin_state_pb2.SetSecretResponse:
        """Set or replace."""
        check_secret(request.name, request.value)
        # Known before it is written anywhere, so that no log line in between shows it.
        self._redactor.hold("new secret", [request.value])
        await self._store.write({request.name: request.value})
        return admin_state_pb2.SetSecretResponse(used_by=await self._changed(request.name))

    async def list_secrets(
        self, request: admin_state_pb2.ListSecretsRequest
    ) -> admin_state_pb2.ListSecretsResponse:
        """Names and users."""
        users = self._installation.users_of_secrets()
        response = admin_state_pb2.ListSecretsResponse(store=self._store.name)
        for name, secret in sorted(self._store.all().items()):
            entry = response.secrets.add(name=name, used_by=users.get(name, ()))
            if secret.time:
                entry.set_time.CopyFrom(stamp(secret.time))
        return response

    async def remove_secret(
        self, request: admin_state_pb2.RemoveSecretRequest
    ) -> admin_state_pb2.RemoveSecretResponse:
        """Remove."""
        if request.name not in self._store.all():
            raise Refused(
                "NOT_FOUND", f"there is no secret {request.name!r}", remedy="See `jackfield secret list`."
            )
        await self._store.write({request.name: None})
        return admin_state_pb2.RemoveSecretResponse(used_by=await self._changed(request.name))

    async def rotate_secret_key(
        self, request: admin_state_pb2.RotateSecretKeyRequest
    ) -> admin_state_pb2.RotateSecretKeyResponse:
        """A new key."""
        path = await self._store.rotate()
        return admin_state_pb2.RotateSecretKeyResponse(secrets=len(self._store.all()), key_path=path)

    async def _changed(self, name: str) -> list[str]:
        """Whoever uses the secret gets its new value."""
        self._redactor.hold("secrets", [secret.value for secret in self._store.all().values()])
        self._redactor.hold("new secret", ())
        for plugin in await self._installation.secrets_changed():
            admitted = self._view.registry.admit(plugin)
            if admitted is not None:
                self._view.hub.reconfigure(plugin, admitted)
        return self._installation.users_of_secrets().get(name, [])
