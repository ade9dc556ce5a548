"""Slack's error words as typed errors. A refusal is HTTP 200 with `ok: false`; 429 and 5xx are real."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield_sdk import (
    AuthExpired,
    ContentTooLarge,
    InvalidArgument,
    JackfieldError,
    NotFound,
    NotSupported,
    PermissionDenied,
    PlatformError,
    RateLimited,
    Unavailable,
    WindowClosed,
)

_REASONS: Mapping[type[JackfieldError], str] = {
    AuthExpired: """
        invalid_auth not_authed account_inactive token_revoked token_expired user_removed_from_team
        not_allowed_token_type invalid_token app_uninstalled""",
    PermissionDenied: """
        missing_scope not_in_channel restricted_action no_permission cant_update_message cant_delete_message
        edit_window_closed compliance_exports_prevent_deletion is_archived access_denied ekm_access_denied
        restricted_action_read_only_channel cant_kick_self cant_kick_from_general restricted_action_thread_only_channel
        team_access_not_granted org_login_required user_is_restricted not_authorized cant_leave_general
        messages_tab_disabled""",
    NotFound: """
        channel_not_found message_not_found user_not_found users_not_found file_not_found thread_not_found
        no_item_specified bad_timestamp view_not_found file_deleted""",
    InvalidArgument: """
        invalid_arguments invalid_arg_name invalid_array_arg no_text invalid_blocks invalid_blocks_format invalid_name
        invalid_name_specials invalid_name_maxlength too_many_attachments invalid_form_data invalid_json json_not_object
        invalid_ts_latest invalid_ts_oldest invalid_cursor invalid_limit""",
    ContentTooLarge: "msg_too_long msg_blocks_too_long file_upload_size_restricted file_too_large view_too_large",
    NotSupported: "unknown_method method_deprecated method_not_supported_for_channel_type",
    WindowClosed: "expired_trigger_id trigger_expired exchanged_trigger_id expired_url used_url",
    Unavailable: "internal_error fatal_error service_unavailable request_timeout team_added_to_org",
}
_CLASSES = {word: kind for kind, words in _REASONS.items() for word in words.split()}
_REMEDIES = {
    "missing_scope": "Add the scope under OAuth & Permissions of the app, and install it again.",
    "not_in_channel": "Invite the bot: /invite @bot in the channel.",
    "invalid_auth": "Set the bot's token anew: it was revoked, or is of another workspace.",
}


def error_of(
    method: str, status: int, answer: Mapping[str, Any], headers: Mapping[str, Any]
) -> JackfieldError:
    """The error of a failed call. Of the answer only Slack's words are shown, never what was sent."""
    word = str(answer.get("error") or "")
    metadata = {"api": method, "platform_code": word or str(status)}
    if status == 429 or word in ("ratelimited", "rate_limited"):
        return RateLimited(seconds_of(headers), f"Slack limits the rate of {method}", metadata=metadata)
    if status >= 500:
        return Unavailable(f"Slack answered {method} with {status}", metadata=metadata)
    if needed := answer.get("needed"):
        metadata["scope"] = str(needed)
    kind = _CLASSES.get(word, PlatformError)
    remedy = _REMEDIES.get("invalid_auth" if kind is AuthExpired else word, "")
    scope = f" (needed: {needed})" if needed else ""
    return kind(f"Slack refused {method}: {word or status}{scope}", remedy=remedy, metadata=metadata)


def seconds_of(headers: Mapping[str, Any]) -> float:
    """Retry-After, 1 to 3,600 s; 30 s where it makes no sense, as Slack's own SDK takes it."""
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    text = str(value[0] if isinstance(value, list) and value else value)
    return min(max(float(text), 1.0), 3600.0) if text.isascii() and text.isdigit() else 30.0
