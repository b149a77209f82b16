"""The order of Part 4, 6.1.3: of two faults in one certificate the earlier step's code is told.

Every fault of the table is made by itself and together with every other one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import combinations

import pytest
from cryptography import x509

from biogate_security import status
from biogate_security.certificate_validation import SUPPRESSIBLE, Requirements, validate
from biogate_security.trust_list import trust_list_of

URI = "urn:example:client"
_ENDED = timedelta(days=1)


@dataclass
class Plan:
    """How the certificates of one case are to be made; faults change it."""

    leaf: dict = field(default_factory=dict)
    issuing: dict = field(default_factory=dict)
    issuing_list_days: float = 7
    root_list_days: float = 7
    revoked: bool = False
    issuer_revoked: bool = False
    root_known: bool = True
    trusted: bool = True
    forged: bool = False


def _set(**changes):
    return lambda plan, _now: [setattr(plan, name, value) for name, value in changes.items()]


def _of(part, **changes):
    return lambda plan, _now: getattr(plan, part).update(changes)


def _ends(part):
    return lambda plan, now: getattr(plan, part).update(end=now - _ENDED)


# In the order of the steps; within a step the certificate's own code comes before its issuers'.
FAULTS = {
    "the root is missing": (_set(root_known=False), "Bad_CertificateChainIncomplete"),
    "the signature is forged": (_set(forged=True), "Bad_CertificateInvalid"),
    "the key is short": (_of("leaf", bits=1024), "Bad_CertificatePolicyCheckFailed"),
    "nobody trusts it": (_set(trusted=False), "Bad_CertificateUntrusted"),
    "it has expired": (_ends("leaf"), "Bad_CertificateTimeInvalid"),
    "its issuer has expired": (_ends("issuing"), "Bad_CertificateIssuerTimeInvalid"),
    "its URI is another's": (_of("leaf", uris=("urn:other",)), "Bad_CertificateUriInvalid"),
    "it may not be a client's": (_of("leaf", purposes=()), "Bad_CertificateUseNotAllowed"),
    "its issuer may not issue": (
        _of("issuing", uses=frozenset({"crl_sign"})),
        "Bad_CertificateIssuerUseNotAllowed",
    ),
    "the issuer's list is old": (
        _set(issuing_list_days=-0.5),
        "Bad_CertificateRevocationUnknown",
    ),
    "the root's list is old": (
        _set(root_list_days=-0.5),
        "Bad_CertificateIssuerRevocationUnknown",
    ),
    "it is revoked": (_set(revoked=True), "Bad_CertificateRevoked"),
    "its issuer is revoked": (_set(issuer_revoked=True), "Bad_CertificateIssuerRevoked"),
}


@pytest.fixture
def outcome(party, now):
    """The Validation of a certificate with these faults, by their names."""

    def judge(*names, suppress=()):
        plan = Plan()
        for name in names:
            FAULTS[name][0](plan, now)
        root = party("root", 1, ca=True)
        issuing = party("issuing", 2, issuer=root, ca=True, **plan.issuing)
        stranger = party("issuing", 4, ca=True)
        signer = {"signer": stranger.key} if plan.forged else {}
        leaf = party("client", 3, issuer=issuing, **plan.leaf, **signer)
        crls = (
            issuing.crl(*[leaf] * plan.revoked, days=plan.issuing_list_days),
            root.crl(*[issuing] * plan.issuer_revoked, days=plan.root_list_days),
        )
        trusted = [issuing.certificate] if plan.trusted else []
        issuers = [issuing.certificate, *[root.certificate] * plan.root_known]
        return validate(
            leaf.der,
            trust_list_of(trusted, issuers, map(x509.load_der_x509_crl, crls)),
            now,
            application_uri=URI,
            requirements=Requirements(suppress=frozenset(suppress)),
        )

    return judge


def _code(name):
    by_name = {status.name(code): code for code in status.NAMES}
    return by_name[FAULTS[name][1]]


def test_without_a_fault_it_is_good(outcome):
    assert outcome().failure is None


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_code(outcome, fault):
    assert status.name(outcome(fault).failure.status) == FAULTS[fault][1]


@pytest.mark.parametrize(("earlier", "later"), list(combinations(FAULTS, 2)))
def test_of_two_faults_the_earlier_steps_code_is_told(outcome, earlier, later):
    assert status.name(outcome(earlier, later).failure.status) == FAULTS[earlier][1]
    assert status.name(outcome(later, earlier).failure.status) == FAULTS[earlier][1]


@pytest.mark.parametrize("fault", [name for name in FAULTS if _code(name) in SUPPRESSIBLE])
def test_what_is_suppressed_is_reported_and_hides_nothing_that_follows(outcome, fault):
    alone = outcome(fault, suppress=[_code(fault)])
    assert alone.failure is None
    assert [finding.status for finding in alone.suppressed] == [_code(fault)]
    both = outcome(fault, "its issuer is revoked", suppress=[_code(fault)])
    assert status.name(both.failure.status) == "Bad_CertificateIssuerRevoked"
    assert [finding.status for finding in both.suppressed] == [_code(fault)]


def test_what_part_4_calls_critical_is_not_suppressible():
    codes = {FAULTS[name][1] for name in FAULTS if _code(name) not in SUPPRESSIBLE}
    assert codes == {
        "Bad_CertificateChainIncomplete",
        "Bad_CertificateInvalid",
        "Bad_CertificateUntrusted",
        "Bad_CertificateUriInvalid",
        "Bad_CertificateIssuerUseNotAllowed",
        "Bad_CertificateRevoked",
        "Bad_CertificateIssuerRevoked",
    }
