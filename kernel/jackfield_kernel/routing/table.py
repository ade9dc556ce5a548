"""The rules of one bot in force: sorted once, candidates per event type and decisions remembered."""

from __future__ import annotations

from jackfield.v1 import admin_pb2, event_pb2, journal_pb2, router_pb2

from .decision import Decision, Wait
from .errors import RuleInvalid
from .facts import Facts, is_message_of_bot
from .matcher import CompiledRule
from .senders import Sets

RULES_LIMIT = 1_000
"""Most rules of one table."""

_REMEMBERED = 4_096


class CompiledTable:
    """A route table, ready to decide.

    Attributes:
        table: as it was pushed; nobody changes it.
        version: the kernel's count.
        source: who put it in force: `file` or a plugin id.
        rules: compiled, in the order of evaluation.
        sets: names of the sender sets that its enabled rules refer to, in order.
    """

    def __init__(self, table: router_pb2.RouteTable, version: int, source: str, sets: Sets) -> None:
        """RuleInvalid when the table breaks a rule of the contract. `sets` is read at each decision."""
        self.table = table
        self.version = version
        self.source = source
        self.rules = _compile(table, sets)
        self.sets = _set_names(self.rules)
        self._candidates: dict[tuple[str, bool], tuple[CompiledRule, ...]] = {}
        self._decisions: dict[tuple[int, ...], Decision] = {}

    def decide(self, event: event_pb2.Event) -> Decision | Wait:
        """Which rules the event runs through. The chain ends with the first rule that never goes on."""
        key = (event.type, is_message_of_bot(event))
        candidates = self._candidates.get(key)
        if candidates is None:
            candidates = self._select(key)
        facts = Facts(event)
        chain: tuple[int, ...] = ()
        for rule in candidates:
            for holds in rule.holds:
                if not holds(facts):
                    break
            else:
                verdict = rule.sets.decide(facts) if rule.sets else True
                if isinstance(verdict, str):
                    return Wait(f"sender set {verdict} was never pushed; rule {rule.rule.id} needs it")
                if verdict:
                    chain = (*chain, rule.number)
                    if rule.ends:
                        break
        return self._decisions.get(chain) or self._remember(chain)

    def explain(self, event: event_pb2.Event) -> list[admin_pb2.RuleTrace]:
        """What each rule says to the event, in the order of evaluation, with its first failed condition."""
        facts = Facts(event)
        traces = []
        ended_by = ""
        for rule in self.rules:
            reason = rule.obstacle(facts)
            matches = not reason
            if matches and ended_by:
                reason = f"it would match, but rule {ended_by} ends the chain before it"
            elif matches and rule.ends:
                ended_by = rule.rule.id
            traces.append(admin_pb2.RuleTrace(rule=rule.rule, matches=matches, reason=reason))
        return traces

    def _select(self, key: tuple[str, bool]) -> tuple[CompiledRule, ...]:
        event_type, from_bot = key
        if len(self._candidates) >= _REMEMBERED:
            self._candidates.clear()
        self._candidates[key] = candidates = tuple(
            rule
            for rule in self.rules
            if not rule.rule.disabled
            and rule.pattern.matches(event_type)
            and (rule.from_bots or not from_bot)
        )
        return candidates

    def _remember(self, chain: tuple[int, ...]) -> Decision:
        if len(self._decisions) >= _REMEMBERED:
            self._decisions.clear()
        rules = tuple(self.table.rules[number] for number in chain)
        body = journal_pb2.RoutedRecord(table_version=self.version, rules=rules).SerializeToString()
        self._decisions[chain] = decision = Decision(rules, self.version, body)
        return decision


def _compile(table: router_pb2.RouteTable, sets: Sets) -> tuple[CompiledRule, ...]:
    if len(table.rules) > RULES_LIMIT:
        raise RuleInvalid("rules", f"there are {len(table.rules)}", f"at most {RULES_LIMIT} rules")
    seen: set[str] = set()
    rules = []
    for number, rule in enumerate(table.rules):
        rules.append(CompiledRule(rule, number, sets))
        if rule.id in seen:
            raise RuleInvalid("id", "two rules have it", "an id of its own for each rule", rule=rule.id)
        seen.add(rule.id)
    return tuple(sorted(rules, key=lambda compiled: compiled.order))


def _set_names(rules: tuple[CompiledRule, ...]) -> tuple[str, ...]:
    names = dict.fromkeys(
        name for rule in rules if rule.sets and not rule.rule.disabled for name in rule.sets.names
    )
    return tuple(names)
