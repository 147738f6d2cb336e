"""What the gateway counts, for Prometheus. No label names a user, a prompt or a request."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hooke.server.gateway.verdicts import Verdict

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_CHANCES = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)


class Counts:
    """The counters of one gateway."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests = Counter(
            "hooke_requests", "Requests, by address and status.", ["path", "status"], registry=registry
        )
        self.answers = Counter("hooke_answers", "Answers, by why they ended.", ["reason"], registry=registry)
        self.prompt_tokens = Counter("hooke_prompt_tokens", "Tokens of prompts.", registry=registry)
        self.new_tokens = Counter("hooke_new_tokens", "Tokens of answers.", registry=registry)
        self.first_token = Histogram(
            "hooke_first_token_seconds", "From a request to its first token.", buckets=_SECONDS, registry=registry
        )
        self.step = Histogram(
            "hooke_step_seconds", "One token for every request under way.", buckets=_SECONDS, registry=registry
        )
        self.running = Gauge("hooke_running", "Requests under way.", registry=registry)
        self.waiting = Gauge("hooke_waiting", "Requests that wait.", registry=registry)
        self.verdicts = Counter(
            "hooke_verdicts", "Highest level of each request.", ["monitor", "version", "level"], registry=registry
        )
        self.probability = Histogram(
            "hooke_probability",
            "Calibrated probability of each request's peak.",
            ["monitor", "version"],
            buckets=_CHANCES,
            registry=registry,
        )
        self.actions = Counter("hooke_actions", "Actions taken.", ["monitor", "version", "action"], registry=registry)
        self.failures = Counter(
            "hooke_monitor_failures", "Tokens at which a scorer failed.", ["monitor", "version"], registry=registry
        )
        self.monitor_seconds = Gauge("hooke_monitor_seconds", "Time spent in monitors so far.", registry=registry)
        self.steering = Counter("hooke_steering", "Requests steered.", ["recipe"], registry=registry)
        self.canaries = Counter("hooke_canaries", "Canary requests, by outcome.", ["outcome"], registry=registry)
        self.canary_is_well = Gauge(
            "hooke_canary_is_well", "1 where the last canary request was scored as it must be.", registry=registry
        )
        self.dropped_events = Counter(
            "hooke_dropped_events", "Events that a reader of the side stream was too slow for.", registry=registry
        )

    def saw(self, verdict: Verdict) -> None:
        """A request has ended with this verdict."""
        own = (verdict.name, verdict.version)
        self.verdicts.labels(*own, verdict.level).inc()
        if verdict.probability is not None:
            self.probability.labels(*own).observe(verdict.probability)
        if verdict.act_at is not None:
            self.actions.labels(*own, verdict.action).inc()
        if verdict.n_failed:
            self.failures.labels(*own).inc(verdict.n_failed)

    def page(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)
