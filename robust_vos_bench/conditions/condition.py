"""A condition: clean, or one corruption at one severity, with its mode in time and its seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from robust_vos_bench.conditions.catalogue import CORRUPTIONS, find_item, origin_of, shipped
from robust_vos_bench.conditions.label import FORM, is_label, read_label
from robust_vos_bench.conditions.profile import check_profile
from robust_vos_bench.conditions.spec import TEMPORAL, Corruption, check_severity
from robust_vos_bench.errors import UsageError, unknown
from robust_vos_bench.origin import Origin, is_file_spec


@dataclass(frozen=True, order=True)
class Condition:
    """One column of the benchmark grid. `corruption == ""` is clean; a cell is model x data set x condition.

    What is not said is what the corruption declares, so that `Condition("fog", 3)` and `--corruption fog --severity 3`
    are the same condition with the same pixels (fog drifts). A condition that cannot be is refused here: UsageError for
    an unknown corruption, mode or profile, with the nearest names, and for a severity, mode, profile or device that the
    corruption does not offer.

    A corruption of one's own is given as `Condition("path/to/own.py:name", 3)`; `corruption` is then its plain name,
    and `origin` has the text of the file. Pickled, a condition brings its corruption with it, also one that the
    running script or notebook has defined with `@corruption`. Raises UsageError or ContractError for a file that does
    not define it.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> fog = rvos.Condition("fog", 3)
    >>> fog.label, fog.temporal
    ('fog-3-drift', 'drift')
    >>> rvos.Condition.from_label("fog-3-frame-seed1").seed
    1
    """

    corruption: str = ""
    severity: int = 0
    """1..5 (1..3 where a source defines three levels); 0 is clean."""
    temporal: str = ""
    """How randomness runs in time: "frame", "video", "drift". "" is taken as the corruption's own first mode, and stays
    "" where the corruption draws nothing."""
    profile: str = "constant"
    """How severity runs over the video: "constant", "ramp", "burst", "intermittent", "fourier"."""
    seed: int = 0
    clean_reference: bool | None = None
    """Keep the frames that carry a prompt clean. None is taken as the corruption says; of a condition it is a bool."""
    device: str = ""
    """Torch device that makes the frames in batches ("cuda", "cuda:1", "cpu"); "" is our own code on the CPU.

    No part of the label, but of keys: frames of two devices may differ in a bit."""
    source: str = ""
    """Of a stored split: name of the model that its frames were made against, as in the label; "" for noise."""
    store: str = ""
    """Of a stored split: digest of its pixels. `severity` is then its budget, and `origin` says where it lies."""
    origin: Origin | None = field(default=None, compare=False, repr=False)
    """Where a corruption that is not built in comes from; its digest is part of `condition_fingerprint`."""

    def __post_init__(self) -> None:
        if not self.corruption:
            self._set("clean_reference", bool(self.clean_reference))
            said = (self.severity, self.temporal, self.profile, self.seed, self.clean_reference, self.device)
            if said != (0, "", "constant", 0, False, ""):
                raise UsageError(f"a condition without a corruption is clean and has nothing else to it: {self}")
            return
        if self.store:
            self._check_stored()
            return
        if is_file_spec(self.corruption):
            item = CORRUPTIONS.find(self.corruption)
            self._set("corruption", item.value.name)
            self._set("origin", item.origin)
        elif self.origin is None:
            if is_label(self.corruption):
                raise UsageError(
                    f"{self.corruption!r} is a whole condition, not a corruption: "
                    f"Condition.from_label({self.corruption!r})"
                )
            self._set("origin", origin_of(self.corruption))
        spec = find_item(self).value
        self._check(spec)
        if not self.temporal:
            self._set("temporal", spec.default_temporal)
        if self.clean_reference is None:
            self._set("clean_reference", spec.clean_reference)

    @classmethod
    def from_label(cls, text: str) -> Condition:
        """The condition of a label: "clean", "contrast-3", "fog-3-frame", "fog-3-drift-burst-seed1-cleanref".

        What a label leaves out is as in `Condition(...)`. Raises UsageError for anything else.
        """
        if text == "clean":
            return CLEAN
        if not is_label(text):
            raise UsageError(f"{text!r} is not a condition; {FORM}")
        return cls(**read_label(text))

    def _check(self, spec: Corruption) -> None:
        """Raise UsageError where the corruption does not offer what is asked of it."""
        check_severity(spec, self.severity)
        if self.temporal and self.temporal not in TEMPORAL:
            raise unknown("temporal mode", self.temporal, TEMPORAL, f"Modes are {', '.join(TEMPORAL)}.")
        if self.temporal and self.temporal not in spec.temporal:
            offered = ", ".join(spec.temporal) or "none: it draws nothing"
            raise UsageError(f"{spec.name} does not offer the temporal mode {self.temporal!r} (offered: {offered})")
        check_profile(self.profile)
        if self.profile != "constant" and not spec.offers_profile:
            raise UsageError(f"the severity of {spec.name} cannot vary over time (profile {self.profile!r})")
        if self.clean_reference and spec.frames == "prompt":
            raise UsageError(f"{spec.name} changes frames that carry a prompt and no others; they cannot stay clean")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise UsageError(f"seed {self.seed!r} is not a whole number")
        if self.device and spec.batch is None:
            raise UsageError(f"{spec.name} cannot be made on a device ({self.device}): it has no batch implementation")

    def _check_stored(self) -> None:
        """Raise UsageError for a stored condition that says something of frames which are not made."""
        if self.origin is None or self.origin.kind != "split":
            raise UsageError(f"a stored condition is made from its split: --attacked FOLDER, not {self.label!r}")
        if (self.temporal, self.profile, bool(self.clean_reference), self.device) != ("", "constant", False, ""):
            raise UsageError(f"{self.label}: frames of a stored split have no mode, profile, reference or device")
        check_severity(find_item(self).value, self.severity)
        self._set("clean_reference", False)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "origin": shipped(self.corruption, self.origin)}

    @property
    def is_clean(self) -> bool:
        """Whether nothing is corrupted."""
        return not self.corruption

    @property
    def is_stored(self) -> bool:
        """Whether its frames are read from a split."""
        return bool(self.store)

    @property
    def label(self) -> str:
        """Unique, file-name-safe name: "clean", "contrast-3", "fog-3-drift"; `from_label` makes the condition of it.

        The mode is named wherever the corruption draws; profile, seed and reference where they are not the default.
        """
        if self.is_clean:
            return "clean"
        if self.store:
            return f"{self.corruption}-e{self.severity}" + (f"@{self.source}" if self.source else "")
        parts = [self.corruption, str(self.severity)]
        if self.temporal:
            parts.append(self.temporal)
        if self.profile != "constant":
            parts.append(self.profile)
        if self.seed:
            parts.append(f"seed{self.seed}")
        if self.clean_reference:
            parts.append("cleanref")
        elif find_item(self).value.clean_reference:
            parts.append("corruptref")
        return "-".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain fields, for records and keys; the kind of device ("cuda"), source and store only where there is one."""
        fields: dict[str, Any] = {
            "corruption": self.corruption,
            "severity": self.severity,
            "temporal": self.temporal,
            "profile": self.profile,
            "seed": self.seed,
            "clean_reference": self.clean_reference,
        }
        device = self.device.split(":")[0]
        more = {"device": device, "source": self.source, "store": self.store}
        return {**fields, **{name: value for name, value in more.items() if value}}


CLEAN = Condition()
