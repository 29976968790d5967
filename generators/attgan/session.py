"""One training of AttGAN: networks, optimizers, and the steps; public functions in ``training``."""

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, final

import torch
from torch import Tensor, nn

from cfsearch.errors import DataError, RunError

from .config import AttGANConfig, CriticNorm
from .data import Faces, FaceSource, PairedSource, TargetRule, indices_of, outliers, signed, stream
from .losses import (
    attribute_loss,
    changed_loss,
    edge_loss,
    gradient_penalty,
    hinge_loss,
    reconstruction_loss,
    wasserstein_loss,
)
from .networks import Critic, Editor
from .progress import StepMetrics, Trained, flips
from .provenance import Provenance, check_provenance, provenance
from .recipe import Adversarial, Decay, Precision, TrainingConfig
from .runs import Checkpoint, TrainingFolder

_SHEET_ROWS = 6
# uses of the random stream of a step
_TARGETS, _AUGMENT, _PENALTY, _OUTLIERS, _ROBUST = 2, 3, 4, 5, 6


class Session:
    """One training: networks, optimizers, and the steps."""

    def __init__(
        self,
        source: FaceSource,
        config: AttGANConfig,
        training: TrainingConfig,
        folder: TrainingFolder,
        device: torch.device,
        *,
        editor: Editor | None = None,
        critic: Critic | None = None,
    ) -> None:
        self.source: FaceSource = source
        self.config: AttGANConfig = config
        self.training: TrainingConfig = training
        self.folder: TrainingFolder = folder
        self.device: torch.device = device
        with torch.random.fork_rng(devices=[]):  # torch draws initial weights from the global stream
            torch.manual_seed(training.seed)
            self.editor: Editor = Editor(config) if editor is None else copy.deepcopy(editor)
            self.editor.config = self.editor.decoder.config = config
            self.critic: Critic = Critic(config) if critic is None else copy.deepcopy(critic)
            if config.critic_norm is CriticNorm.SPECTRAL:
                self.critic.steady()
        self.mean: Editor = copy.deepcopy(self.editor)
        for net in (self.editor, self.critic, self.mean):
            net.to(device).to(memory_format=torch.channels_last)
        self.mean.requires_grad_(False).eval()
        self.critic.requires_grad_(True)
        self.editor_adam: torch.optim.Adam = torch.optim.Adam(
            self.editor.parameters(), lr=training.rate, betas=training.betas
        )
        self.critic_adam: torch.optim.Adam = torch.optim.Adam(
            self.critic.parameters(), lr=training.critic_rate, betas=training.betas
        )
        columns = {name: i for i, name in enumerate(config.attributes)}
        self.rule: TargetRule = TargetRule(
            groups=tuple(tuple(columns[name] for name in group) for group in config.groups),
            single=training.single,
            uniform=training.uniform,
            same=training.same,
        )
        self._provenance: Provenance
        self.step: int = 0
        self.seconds: float = 0.0

    # ---- the loop

    def go(
        self,
        *,
        watch: Callable[[StepMetrics], None] | None,
        stop: Callable[[], bool] | None,
        frozen: bool,
    ) -> Trained:
        self._provenance = provenance(self.source, self.training, frozen=self.editor if frozen else None)
        self.folder.prepare()
        self._resume()
        last = time.monotonic()
        while self.progress < self.training.until:
            if stop is not None and stop():
                break
            self._set_rates()
            losses = self._critic_alone() if frozen else self._step()
            self.step += 1
            now = time.monotonic()
            self.seconds, last = self.seconds + now - last, now
            if self.step % self.training.log_every == 0:
                self._report(losses, watch)
            if self.training.sheet_every and self.step % self.training.sheet_every == 0:
                self.sheet()
            if self.training.checkpoint_every and self.step % self.training.checkpoint_every == 0:
                self._save()
        self._save()
        if self.training.sheet_every:
            self.sheet()
        kept = copy.deepcopy(self.mean if self.training.ema and not frozen else self.editor)
        return Trained(
            editor=kept.requires_grad_(False).eval(),
            critic=self.critic.plain().requires_grad_(False).eval(),
            step=self.step,
            seconds=self.seconds,
            finished=self.progress >= 1.0,
        )

    @property
    def progress(self) -> float:
        """Share of the training that is done."""
        share = self.step / self.training.steps
        if self.training.minutes is not None:
            share = max(share, self.seconds / (60.0 * self.training.minutes))
        return min(share, 1.0)

    @property
    def _stage_over(self) -> bool:
        return self.training.until < 1.0 and self.progress >= self.training.until

    def _set_rates(self) -> None:
        t = self.training
        factor = 1.0
        if self.progress >= t.decay_start:
            factor = 0.1 if t.decay is Decay.STEP else (1.0 - self.progress) / max(1.0 - t.decay_start, 1e-9)
        for adam, rate in ((self.editor_adam, t.rate), (self.critic_adam, t.critic_rate)):
            for group in adam.param_groups:
                group["lr"] = rate * max(factor, 1e-3)

    def _report(self, losses: dict[str, Tensor], watch: Callable[[StepMetrics], None] | None) -> None:
        metrics = StepMetrics(
            step=self.step,
            progress=self.progress,
            seconds=self.seconds,
            rate=float(self.editor_adam.param_groups[0]["lr"]),
            losses={name: float(value) for name, value in losses.items()},
        )
        if lost := [name for name, value in metrics.losses.items() if not math.isfinite(value)]:
            raise RunError(
                f"attgan training: the loss `{lost[0]}` is no number any more at step {self.step}. Lower the "
                f"learning rates, and delete {self.folder.path} to begin afresh."
            )
        self.folder.log(
            {
                "step": metrics.step,
                "progress": round(metrics.progress, 6),
                "seconds": round(metrics.seconds, 3),
                "rate": metrics.rate,
                **{name: round(value, 6) for name, value in metrics.losses.items()},
            }
        )
        if watch is not None:
            watch(metrics)

    # ---- one step

    def _step(self) -> dict[str, Tensor]:
        t = self.training
        self._set_training()
        if t.critic_steps > 1:
            losses: dict[str, Tensor] = {}
            for k in range(t.critic_steps):
                faces, _, targets = self._draw(self.step * (t.critic_steps + 1) + k)
                with torch.no_grad(), self._autocast():
                    fake = self.editor(faces.images, targets)
                losses = self._critic_step(faces, fake.float(), salt=k)
            faces, indices, targets = self._draw(self.step * (t.critic_steps + 1) + t.critic_steps)
            edit = self._editor_step(faces, indices, targets, plays=True)
            return losses | edit.losses
        faces, indices, targets = self._draw(self.step)
        plays = self.step % t.critic_every == 0
        edit = self._editor_step(faces, indices, targets, plays=plays)
        if plays:
            return edit.losses | self._critic_step(edit.real, edit.fake, salt=0)
        return edit.losses

    def _faces(self, indices: Sequence[int]) -> Faces:
        given = self.source.batch(indices)
        return Faces(given.images, given.labels).signed(self.device)

    def _draw(self, batch: int) -> tuple[Faces, list[int], Tensor]:
        t = self.training
        indices = indices_of(batch, batch=t.batch, total=len(self.source), seed=t.seed)
        faces = self._faces(indices)
        faces = Faces(faces.images.contiguous(memory_format=torch.channels_last), faces.labels)
        return faces, indices, self.rule.draw(faces.labels, rng=stream(t.seed, batch, salt=_TARGETS))

    def _editor_step(self, faces: Faces, indices: Sequence[int], targets: Tensor, *, plays: bool) -> "Edit":
        w = self.training.weights
        x = faces.images
        truth = None
        if w.needs_pairs:
            truth = signed(cast(PairedSource, self.source).pairs(indices, targets.cpu()).to(self.device))
        losses: dict[str, Tensor] = {}
        with self._autocast():
            maps = self.editor.encoder(x)
            fake = self.editor.decoder(maps, targets).float()
            if w.reconstruction:
                losses["reconstruction"] = reconstruction_loss(self.editor.decoder(maps, faces.labels), x)
        total = x.new_zeros(())
        if truth is not None:
            losses["paired"] = reconstruction_loss(fake, truth)
            losses["changed"] = changed_loss(fake, truth, x)
            losses["edges"] = edge_loss(fake, truth)
            total = (
                total
                + w.paired * losses["paired"]
                + w.changed * losses["changed"]
                + w.edges * losses["edges"]
            )
        if w.reconstruction:
            total = total + w.reconstruction * losses["reconstruction"]
        if plays and (w.adversarial or w.attribute):
            self.critic.requires_grad_(False)
            with self._autocast():
                verdict = self.critic(self._augment(fake, salt=0))
            self.critic.requires_grad_(True)
            losses["edit_attribute"] = attribute_loss(
                verdict.logits, targets, own=faces.labels, edited=w.edited
            )
            losses["edit_score"] = verdict.real.float().mean()
            total = total + w.attribute * losses["edit_attribute"] - w.adversarial * losses["edit_score"]
        if total.requires_grad:  # a step in which only the critic would have had a say
            self.editor_adam.zero_grad(set_to_none=True)
            total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            self.editor_adam.step()
        self._average()
        real = faces
        if truth is not None:
            # half of the real images are true re-renders, so that a critic cannot tell an edit
            # by what was requested, only by how it was done
            even = (torch.arange(len(x), device=self.device) % 2 == 0)[:, None]
            real = Faces(
                torch.where(even[..., None, None], x, truth), torch.where(even, faces.labels, targets)
            )
        return Edit(fake.detach(), real, {name: value.detach() for name, value in losses.items()})

    def _critic_step(self, faces: Faces, fake: Tensor, *, salt: int) -> dict[str, Tensor]:
        t, w = self.training, self.training.weights
        self.critic.train()
        n = len(fake)
        if t.outliers:
            rng = stream(t.seed, self.step, salt=_OUTLIERS + 100 * salt)
            odd = (torch.rand(n, 1, 1, 1, generator=rng) < t.outliers).to(self.device)
            fake = torch.where(odd, outliers(faces.images, rng=rng), fake)
        with self._autocast():
            verdict = self.critic(self._augment(torch.cat([faces.images, fake]), salt=1 + salt))
        real_score, fake_score = verdict.real[:n], verdict.real[n:]
        if t.robust:
            with self._autocast():
                logits = self.critic(self._adversarial(faces, salt=salt)).logits
            label = attribute_loss(logits, faces.labels)
        else:
            label = attribute_loss(verdict.logits[:n], faces.labels)
        if t.adversarial is Adversarial.HINGE:
            game = hinge_loss(real_score, fake_score)
            losses = {"critic": game, "critic_attribute": label}
            total = game + w.critic_attribute * label
        else:
            game = wasserstein_loss(real_score, fake_score)
            rng = stream(t.seed, self.step, salt=_PENALTY + 100 * salt)
            penalty = gradient_penalty(lambda x: self.critic(x).real, faces.images, fake, rng=rng)
            losses = {"critic": game, "critic_attribute": label, "penalty": penalty}
            total = game + w.penalty * penalty + w.critic_attribute * label
        self.critic_adam.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.critic_adam.step()
        return {name: value.detach() for name, value in losses.items()}

    def _critic_alone(self) -> dict[str, Tensor]:
        self.editor.eval()
        faces, _, targets = self._draw(self.step)
        with torch.no_grad(), self._autocast():
            fake = self.editor(faces.images, targets)
        return self._critic_step(faces, fake.float(), salt=0)

    def _adversarial(self, faces: Faces, *, salt: int) -> Tensor:
        """Augmented real images, each moved to where the classifier errs more, by one step along its gradient."""
        x = self._augment(faces.images, salt=1 + salt).detach().requires_grad_(True)
        with self._autocast():
            logits = self.critic(x).logits
        [gradient] = torch.autograd.grad(attribute_loss(logits, faces.labels), x)
        rng = stream(self.training.seed, self.step, salt=_ROBUST + 100 * salt)
        length = self.training.robust * torch.rand(len(x), 1, 1, 1, generator=rng).to(x.device)
        norm = gradient.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None, None]
        moved: Tensor = (x + length * gradient / norm).detach()
        return moved

    def _augment(self, x: Tensor, *, salt: int) -> Tensor:
        if self.training.augmentation is None:
            return x
        return self.training.augmentation(
            x, rng=stream(self.training.seed, self.step, salt=_AUGMENT + 100 * salt)
        )

    def _set_training(self) -> None:
        self.editor.train()
        if self.progress >= self.training.freeze_norms:
            for module in self.editor.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    @torch.no_grad()
    def _average(self) -> None:
        decay = self.training.ema
        if not decay:
            return
        decay = min(decay, (1.0 + self.step) / (10.0 + self.step))  # a young mean forgets its start
        ours = dict(self.editor.state_dict())
        for name, value in self.mean.state_dict().items():
            if value.is_floating_point():
                value.lerp_(ours[name], 1.0 - decay)
            else:
                value.copy_(ours[name])

    def _autocast(self) -> torch.autocast:
        p = self.training.precision
        on = p is Precision.BFLOAT16 or (p is Precision.AUTO and self.device.type == "cuda")
        return torch.autocast(self.device.type, torch.bfloat16, enabled=on)

    # ---- what is written

    @torch.no_grad()
    def sheet(self) -> Path:
        """Rows faces; columns original, reconstruction, each attribute flipped."""
        rows = min(_SHEET_ROWS, len(self.source))
        faces = self._faces(list(range(rows)))
        net = self.mean if self.training.ema else self.editor
        net.eval()
        return self.folder.sheet(self.step, flips(net, faces, rule=self.rule))

    def _save(self) -> None:
        weights = {
            f"{part}.{name}": value for part, net in self._nets() for name, value in net.state_dict().items()
        }
        optimizers = {"editor": self.editor_adam.state_dict(), "critic": self.critic_adam.state_dict()}
        state: dict[str, object] = {
            "seconds": self.seconds,
            "config": self.config.to_json(),
            "provenance": self._provenance.to_json(),
            "stage_over": self._stage_over,
        }
        self.folder.save(Checkpoint(step=self.step, weights=weights, optimizers=optimizers, state=state))

    def _resume(self) -> None:
        found = self.folder.latest()
        if found is None:
            self.folder.rewind(0)
            return
        theirs = AttGANConfig.from_json(found.state.get("config"))
        if theirs != self.config:
            raise DataError(
                f"attgan training: {self.folder.path} holds a training of other networks "
                f"({theirs} instead of {self.config}). Name another folder."
            )
        self.step = found.step
        self.seconds = float(cast(float, found.state["seconds"]))
        check_provenance(self.folder.path, found.state, self._provenance, stage_over=self._stage_over)
        self.folder.rewind(found.step)
        for part, net in self._nets():
            prefix = f"{part}."
            net.load_state_dict(
                {k.removeprefix(prefix): v for k, v in found.weights.items() if k.startswith(prefix)}
            )
        self.editor_adam.load_state_dict(found.optimizers["editor"])
        self.critic_adam.load_state_dict(found.optimizers["critic"])

    def _nets(self) -> Iterator[tuple[str, nn.Module]]:
        yield "editor", self.editor
        yield "mean", self.mean
        yield "critic", self.critic


@final
@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """An editor step: the edits, what the critic shall take for real, and the losses."""

    fake: Tensor
    real: Faces
    losses: dict[str, Tensor]
