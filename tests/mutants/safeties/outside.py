"""What keeps user-given addresses away from this machine, cloud metadata and our own services, and credentials home."""

from tests.mutants.mutant import Mutant

_EGRESS = "libs/common/src/steptrail_common/egress.py"
_CRAWLER = "services/crawler/src/steptrail_crawler/adapters"
_POLICY = "libs/common/tests/unit/test_egress.py"
_HTTP = "services/crawler/tests/contract/test_http_kinds.py"
_API = "services/crawler/tests/contract/test_api_call.py"
_NOTIFIER = "services/notifier/src/steptrail_notifier/adapters"
_MAIL = "services/notifier/tests/unit/test_mail.py"

MUTANTS = (
    Mutant(
        "loopback is not reached",
        _EGRESS,
        "        if _in(address, _LOOPBACK):\n",
        "        if False:\n",
        (f"{_POLICY}::test_no_spelling_reaches_this_machine_or_cloud_metadata",),
    ),
    Mutant(
        "cloud metadata is not reached",
        _EGRESS,
        "        if _in(address, _METADATA):\n",
        "        if False:\n",
        (f"{_POLICY}::test_no_spelling_reaches_this_machine_or_cloud_metadata",),
    ),
    Mutant(
        "an IPv4 address inside an IPv6 one is judged (6to4, NAT64, Teredo)",
        _EGRESS,
        "        for reached in (address, *embedded(address)):\n",
        "        for reached in (address,):\n",
        (f"{_POLICY}::test_no_spelling_reaches_this_machine_or_cloud_metadata",),
    ),
    Mutant(
        "private networks need the allow list",
        _EGRESS,
        "        if not address.is_global and not any(rule.covers(address, port) for rule in self._allow):\n",
        "        if False:\n",
        (f"{_POLICY}::test_private_networks_need_the_allow_list_and_the_refusal_names_the_setting",),
    ),
    Mutant(
        "our own services are not reached",
        _EGRESS,
        "        if any(rule.covers(address, port) for rule in self._deny):\n",
        "        if False:\n",
        (f"{_POLICY}::test_own_services_stay_closed_inside_an_allowed_network",),
    ),
    Mutant(
        "every address of a name is judged",
        _EGRESS,
        "        for address in addresses:\n            self._judge(host, address, port, kind)\n",
        "        for address in addresses[:1]:\n            self._judge(host, address, port, kind)\n",
        (f"{_POLICY}::test_names_are_judged_by_every_address_they_have",),
    ),
    Mutant(
        "ports of other protocols are closed to HTTP",
        _EGRESS,
        "        if port in _SERVICE_PORTS:\n",
        "        if False:\n",
        (f"{_POLICY}::test_ports_of_other_protocols_are_closed_to_http",),
    ),
    Mutant(
        "mail goes to ports of mail only",
        _EGRESS,
        "        if kind in _OWN_PORTS_ONLY:\n",
        "        if False:\n",
        (f"{_POLICY}::test_mail_goes_to_its_own_ports_only",),
    ),
    Mutant(
        "the connection goes to the judged address, not to the name again",
        _EGRESS,
        '                addresses = await self._policy.resolve(host, port, kind="http")\n',
        '                await self._policy.resolve(host, port, kind="http")\n                addresses = [host]\n',
        (f"{_POLICY}::test_the_transport_keeps_the_host_name_and_reaches_the_excepted_server",),
    ),
    Mutant(
        "only http and https are fetched",
        _EGRESS,
        '        if parts.scheme not in ("http", "https"):\n',
        "        if False:\n",
        (f"{_POLICY}::test_hostile_addresses_are_refused_before_anything_is_looked_up",),
    ),
    Mutant(
        "each connection is judged where it is made, redirects included",
        _EGRESS,
        "    def _judge(self, host: str, address: Address, port: int, kind: Kind) -> None:\n",
        "    def _judge(self, host: str, address: Address, port: int, kind: Kind) -> None:\n        return\n",
        (f"{_HTTP}::test_redirects_to_forbidden_places_are_refused",),
    ),
    Mutant(
        "redirects have an end",
        f"{_CRAWLER}/exchange.py",
        "        if len(visited) > MAX_REDIRECTS:\n",
        "        if False:\n",
        (f"{_HTTP}::test_endless_redirects_stop_at_five",),
    ),
    Mutant(
        "credentials stay at their host",
        f"{_CRAWLER}/http.py",
        "        return self.headers if origin(url) == self.origin else {}\n",
        "        return self.headers\n",
        (f"{_API}::test_credentials_never_follow_a_redirect_to_another_host",),
    ),
    Mutant(
        "a body is not carried to another host",
        f"{_CRAWLER}/exchange.py",
        "    if hop.content and origin(url) != origin(hop.url):\n",
        "    if False:\n",
        (f"{_API}::test_a_body_is_not_carried_to_another_host",),
    ),
    Mutant(
        "a decoded body has a limit (bombs)",
        f"{_CRAWLER}/message.py",
        "        if size > MAX_BODY_BYTES:\n",
        "        if False:\n",
        (f"{_HTTP}::test_bombs_are_cut_at_the_decoded_limit",),
    ),
    Mutant(
        "the browser's own requests obey the policy",
        f"{_CRAWLER}/filter_proxy.py",
        '                addresses = await self._policy.resolve(host, port, kind="http")\n',
        "                addresses = [host]\n",
        ("services/crawler/tests/contract/test_rendered.py::test_no_page_reaches_what_the_policy_forbids",),
    ),
    Mutant(
        "webhooks follow no redirects",
        f"{_NOTIFIER}/webhook.py",
        "follow_redirects=False",
        "follow_redirects=True",
        ("services/notifier/tests/unit/test_webhook.py::test_redirects_are_not_followed",),
    ),
    Mutant(
        "mail goes to judged addresses",
        f"{_NOTIFIER}/mail.py",
        '        addresses = await self._policy.resolve(email.host, email.port, kind="smtp")\n',
        "        addresses = [email.host]\n",
        (f"{_MAIL}::test_inside_is_refused_when_it_is_sent",),
    ),
    Mutant(
        "an account signs in encrypted or not at all",
        f"{_NOTIFIER}/mail.py",
        '            start_tls=email.security == "starttls",\n',
        '            start_tls=None if email.security == "starttls" else False,\n',
        (f"{_MAIL}::test_starttls_that_is_not_offered_ends_the_talk",),
    ),
    Mutant(
        "robots.txt is obeyed",
        f"{_CRAWLER}/robots.py",
        "        if not rules.can_fetch(url, USER_AGENT):\n",
        "        if False:\n",
        ("services/crawler/tests/contract/test_web_crawl.py::test_robots_txt_is_obeyed_and_the_refusal_explained",),
    ),
    Mutant(
        "a check waits for those of other workers as long as they last",
        "libs/checks/src/steptrail_checks/politeness.py",
        "PATIENCE_SECONDS if insist else math.inf\n",
        "PATIENCE_SECONDS\n",
        (
            "libs/checks/tests/unit/test_politeness.py"
            "::test_a_check_waits_for_those_of_other_workers_as_long_as_they_last",
        ),
    ),
    Mutant(
        "a target is asked no more often than its rate",
        "libs/checks/src/steptrail_checks/politeness.py",
        "                    await self._rate.take(target, self._monotonic() + PATIENCE_SECONDS)\n",
        "",
        ("libs/checks/tests/unit/test_politeness.py::test_a_target_is_asked_no_more_often_than_its_rate",),
    ),
)
