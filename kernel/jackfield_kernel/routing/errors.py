"""What routing refuses.

KernelError
└── RuleInvalid            a route table or a sender set breaks a rule of the contract
"""

from __future__ import annotations

from ..errors import REASONS, KernelError


class RuleInvalid(KernelError):
    """A table or a set was refused whole; the last good one stays in force.

    Metadata: `rule` (id, or `#<number>` for a rule without a usable one; empty for the table itself), `field`
    (path of the field, proto names), `expected` (what would be right).
    """

    reason = "INVALID_ARGUMENT"
    code, retryable = REASONS["INVALID_ARGUMENT"]

    def __init__(self, field: str, problem: str, expected: str, *, rule: str = "", remedy: str = "") -> None:
        where = f"rule {rule}, {field}" if rule else field
        super().__init__(
            f"{where}: {problem}; expected {expected}",
            remedy=remedy or f"Write {expected} and push the table again.",
            rule=rule,
            field=field,
            expected=expected,
        )
        self.rule = rule
        self.field = field
        self.problem = problem
        self.expected = expected
