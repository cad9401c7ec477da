"""The list of faults: each an exact text of a source file, a mistake in its place, and the tests that must notice it."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """A mistake to plant.

    Args:
        kind: kind of the mistake, in a few words.
        file: source file, relative to src/organza.
        old: exact text, which occurs once in the file.
        new: text with the mistake.
        tests: test files, or tests in them, relative to tests/, separated by spaces.
    """

    kind: str
    file: str
    old: str
    new: str
    tests: str


LOSSES = "contracts/test_losses.py"
PENALTIES = "contracts/test_penalties.py"
GAMES = "contracts/test_games.py"
RESUME = "test_resume.py"

FAULTS = [
    # ---- losses and penalties ---------------------------------------------------------------------------------------------
    Fault(
        "a sign: the generator's nonsaturating loss", "losses.py",
        "nonsaturating = Adversarial(_binary_cross_entropy, lambda real, fake: softplus(-fake))",
        "nonsaturating = Adversarial(_binary_cross_entropy, lambda real, fake: softplus(fake))",
        LOSSES,
    ),
    Fault(
        "swapped targets: least squares of the discriminator", "losses.py",
        "((real - 1).square() + fake.square()) / 2",
        "(real.square() + (fake - 1).square()) / 2",
        LOSSES,
    ),
    Fault(
        "a wrong axis: the relativistic average also over positions", "losses.py",
        "softplus(other.mean(0, keepdim=True) - one)",
        "softplus(other.mean() - one)",
        LOSSES,
    ),
    Fault(
        "order of operations: the mean of a logit map before the sigmoid", "losses.py",
        "torch.sigmoid(logits - (0.0 if neutral is None else neutral)).reshape(len(logits), -1).mean(1)",
        "torch.sigmoid((logits - (0.0 if neutral is None else neutral)).reshape(len(logits), -1).mean(1))",
        LOSSES,
    ),
    Fault(
        "a factor: R1 without its half", "penalties.py",
        "return squared_norm(gradient(real, duel.real)) / 2",
        "return squared_norm(gradient(real, duel.real))",
        PENALTIES,
    ),
    Fault(
        "a graph not kept: no second derivative", "penalties.py",
        "torch.autograd.grad(logits.sum(), inputs, create_graph=True)",
        "torch.autograd.grad(logits.sum(), inputs, retain_graph=True)",
        PENALTIES,
    ),
    Fault(
        "one draw for a batch: WGAN-GP's share of real and fake", "penalties.py",
        "    share = _shares(duel)\n    between = torch.lerp(",
        "    share = _shares(duel)[:1]\n    between = torch.lerp(",
        PENALTIES,
    ),
    # ---- the game and its turns -------------------------------------------------------------------------------------------
    Fault(
        "a forgotten detach: the discriminator's turn reaches the generator", "game.py",
        "made = {name: value.detach() for name, value in made.items()}",
        "made = dict(made)",
        GAMES,
    ),
    Fault(
        "a forgotten freeze: a player keeps its gradients on", "game.py",
        "        optimizer.step()\n    player.requires_grad_(False)\n",
        "        optimizer.step()\n",
        GAMES,
    ),
    Fault(
        "a lazy penalty that loses its weight", "game.py",
        "* penalty.every * game.strictness",
        "* game.strictness",
        GAMES,
    ),
    Fault(
        "a check that looks at too little: gradients may be NaN", "game.py",
        'torch.isfinite(whole + turn.metrics["gradient"] if steps else whole)',
        "torch.isfinite(whole)",
        GAMES,
    ),
    Fault(
        "a sum that is not shared: each rank keeps its own gradients", "game.py",
        "    world.average([every, *gradients])\n",
        "    world.average([every])\n",
        "contracts/test_ranks.py",
    ),
    Fault(
        "a swapped condition: real and fake with labels of other items", "game.py",
        "self.critic(x, self.condition[items])",
        "self.critic(x, self.condition.flip(0)[items])",
        "test_conditional.py",
    ),
    Fault(
        "a wrong EMA decay: beta for 1 - beta", "training/ema.py",
        "torch._foreach_lerp_(ours, theirs, 1.0 - beta)",
        "torch._foreach_lerp_(ours, theirs, beta)",
        "test_training_state.py",
    ),
    Fault(
        "an average without buffers", "training/ema.py",
        "state = [*network.parameters(), *network.buffers()]",
        "state = [*network.parameters()]",
        "test_training_state.py",
    ),
    Fault(
        "an off-by-one in time: the half-life of the step before", "training/step.py",
        "half_life(progress.images + recipe.batch, recipe.average)",
        "half_life(progress.images, recipe.average)",
        "test_training_state.py",
    ),
    Fault(
        "statistics that keep a running mean when they are made anew", "training/ema.py",
        "        norm.momentum = None  # plain mean over all batches\n",
        "",
        "test_training_state.py",
    ),
    Fault(
        "a missing no_grad: fakes of the discriminator's own turns keep their graph", "training/step.py",
        "    game.G.requires_grad_(graph)\n    with torch.set_grad_enabled(graph):\n",
        "    game.G.requires_grad_(True)\n    with torch.enable_grad():\n",
        "test_training_state.py",
    ),
    Fault(
        "one seed for all: weights do not depend on the run's", "training/state.py",
        'torch.manual_seed(seed_of(self.seed, "weights"))',
        'torch.manual_seed(seed_of(0, "weights"))',
        "test_training_state.py",
    ),
    Fault(
        "a warm-up that trains both players", "recipe.py",
        "            return self.discriminator_turns, 0\n",
        "            return self.discriminator_turns, self.generator_turns\n",
        "test_runs.py::test_warm_up_trains_the_discriminator_alone",
    ),
    Fault(
        "a rate that a rollback does not halve", "training/step.py",
        "set_rate(optimizer, rate * factor(state.rollbacks, state.images))",
        "set_rate(optimizer, rate)",
        "test_training_state.py",
    ),
    # ---- the variants -----------------------------------------------------------------------------------------------------
    Fault(
        "a wrong target: the cycle of a ends at b", "games/cyclegan.py",
        'l1_loss(self.G["a"](made["b"]), batch["a"])',
        'l1_loss(self.G["a"](made["b"]), batch["b"])',
        "test_unpaired.py",
    ),
    Fault(
        "an inverted temperature", "games/cut.py",
        "logits = query @ key.transpose(1, 2) / tau",
        "logits = query @ key.transpose(1, 2) * tau",
        "test_unpaired.py",
    ),
    Fault(
        "another norm: squared for absolute differences", "games/simgan.py",
        '(made["b"] - batch["a"]).abs().mean()',
        '(made["b"] - batch["a"]).square().mean()',
        "test_simgan.py",
    ),
    Fault(
        "swapped sides: the encoder's pair as the fake", "games/bigan.py",
        'Duel(self.D, pair(batch["image"], made["z"]), pair(made["image"], batch["z"]))',
        'Duel(self.D, pair(made["image"], batch["z"]), pair(batch["image"], made["z"]))',
        "test_encoders.py",
    ),
    Fault(
        "a half too much: the Gaussian's log-likelihood", "games/infogan.py",
        "self.continuous * (values - means).square().sum(1).mean() / 2",
        "self.continuous * (values - means).square().sum(1).mean()",
        "test_infogan.py",
    ),
    Fault(
        "an alias: a pool that returns the new fake as the old", "games/image_pool.py",
        "                shown[row] = items[place]\n                items[place] = fake\n",
        "                items[place] = fake\n                shown[row] = items[place]\n",
        "test_pool.py",
    ),
    Fault(
        "a cut gradient: augmentation detaches", "augment.py",
        "x = torch.where(chosen[items], of_kind(x, items), x)",
        "x = torch.where(chosen[items], of_kind(x, items).detach(), x)",
        "test_augment.py",
    ),
    Fault(
        "one side of a clamp: clipped from above only", "optimizers.py",
        "weight.clamp_(-most, most)",
        "weight.clamp_(max=most)",
        "test_optimizers.py",
    ),
    # ---- data -------------------------------------------------------------------------------------------------------------
    Fault(
        "an unshuffled index", "data/batches.py",
        "return int(self.items[self._shuffle[place]])",
        "return int(self.items[place])",
        "data/test_batches.py",
    ),
    Fault(
        "the same shuffle in each pass", "data/batches.py",
        'permutation(len(self.items), self.seed, "order", epoch)',
        'permutation(len(self.items), self.seed, "order")',
        "data/test_batches.py",
    ),
    Fault(
        "a leak: held-out images are trained on", "data/batches.py",
        "Split(np.sort(order[count:]), order[:count])",
        "Split(np.sort(order), order[:count])",
        "data/test_batches.py",
    ),
    Fault(
        "a rounding: uint8 cut off for rounded", "data/batches.py",
        "* 127.5).round().to(torch.uint8)",
        "* 127.5).to(torch.uint8)",
        "data/test_batches.py",
    ),
    Fault(
        "a wrong axis: mirrored upside down", "data/batches.py",
        "images[row] = images[row, :, ::-1].copy()",
        "images[row] = images[row, ::-1].copy()",
        "data/test_batches.py",
    ),
    Fault(
        "an off-by-one: the label's neighbour", "data/labels.py",
        "            row[place] = 1\n        return row\n",
        "            row[place - 1] = 1\n        return row\n",
        "data/test_labels.py",
    ),
    Fault(
        "what was put aside is not put back: dicebear's check of artwork", "data/builtin/face_drawing.py",
        "        setattr(checker, name, check)\n",
        "        pass\n",
        "data/test_faces.py::test_artwork_is_not_checked_against_a_schema_in_each_process",
    ),
    Fault(
        "an orientation turned the other way", "data/decode.py",
        "6: Image.Transpose.ROTATE_270,",
        "6: Image.Transpose.ROTATE_90,",
        "data/test_decode.py",
    ),
    # ---- resuming and durability ------------------------------------------------------------------------------------------
    Fault(
        "a lost memory on resume: the pool of fakes", "training/snapshot.py",
        'value.copy_(saved.tensors["memory"][name])',
        "value.copy_(value)",
        RESUME,
    ),
    Fault(
        "lost moments on resume", "training/snapshot.py",
        "        restore_optimizer(optimizer, saved.tensors[name], place[name])\n",
        "        pass\n",
        RESUME,
    ),
    Fault(
        "a lost generator state on resume: the step's own seed", "training/step.py",
        'seed_torch(seed_of(state.seed, "step", state.images), accelerator.device)',
        "torch.rand(())",
        RESUME,
    ),
    Fault(
        "a lost counter on resume: lazy penalties come at other steps", "training/state.py",
        "self.images, self.steps, self.seconds, self.plan = images, steps, seconds, plan",
        "self.images, self.seconds, self.plan = images, seconds, plan",
        RESUME,
    ),
    Fault(
        "an import that costs a second: torch's compiler on resume", "run/moments.py",
        'step = getattr(optimizer.step, "__func__", type(optimizer).step)',
        "step = type(optimizer).step",
        "test_ranks.py::test_one_process_imports_no_group_and_no_compiler",
    ),
    Fault(
        "a line of statistics begun anew on resume", "training/snapshot.py",
        "history=history, sums=sums,",
        "history=history, sums={},",
        "test_training_state.py test_standing.py",
    ),
    Fault(
        "an off-by-one: the line at the checkpoint is dropped", "run/folder.py",
        'and line.get("images", 0) <= images]',
        'and line.get("images", 0) < images]',
        "test_standing.py",
    ),
    Fault(
        "a skipped fsync of a file", "disk.py",
        "        os.fsync(descriptor)  # a rename can reach the disk before the data it names\n",
        "",
        "faults/test_faults.py::test_power_is_lost",
    ),
    Fault(
        "a skipped fsync of a folder", "disk.py",
        "        rename(aside, path)\n        flush_folder(path.parent)\n",
        "        rename(aside, path)\n",
        "faults/test_faults.py::test_power_is_lost test_disk.py",
    ),
    Fault(
        "a removal in place: the old checkpoint goes before the new one is there", "run/checkpoint.py",
        "            rename(final, before)\n        rename(aside, final)\n",
        "            remove_tree(final)\n        rename(aside, final)\n",
        "faults/test_faults.py::test_killed_at_the_calls_of_a_save test_checkpoint.py",
    ),
    Fault(
        "a digest that is not compared", "run/checkpoint.py",
        'if hashlib.sha256(content).hexdigest() != manifest["sha256"][file]:',
        "if not content:",
        "test_checkpoint.py",
    ),
    Fault(
        "an off-by-one: one checkpoint kept less", "run/checkpoint.py",
        "        if good < newest:\n",
        "        if good < newest - 1:\n",
        "test_checkpoint.py test_standing.py",
    ),
    Fault(
        "an error that is not expected: of a rank that never joins", "distributed/group.py",
        "    except RuntimeError as error:  # torch's own, of a store",
        "    except KeyError as error:  # torch's own, of a store",
        "faults/test_faults.py::test_one_of_two_ranks_is_killed_asked_to_stop_or_fails",
    ),
    Fault(
        "a lock that is never held", "run/lock.py",
        "        if not free:\n",
        "        if not free and False:\n",
        "test_locking.py",
    ),
    Fault(
        "an off-by-one: the stopping rule speaks one evaluation too soon", "stop.py",
        "        if len(history) <= self.checks:\n            return None\n        before, lately = best",
        "        if len(history) < self.checks:\n            return None\n        before, lately = best",
        "test_stop.py",
    ),
    Fault(
        "a schedule that runs backwards", "schedule.py",
        "(1 + math.cos(math.pi * done)) / 2",
        "(1 - math.cos(math.pi * done)) / 2",
        "test_training_state.py",
    ),
    # ---- strangers --------------------------------------------------------------------------------------------------------
    Fault(
        "a missing escape in HTML", "media/html.py",
        "return escape(printable(shown",
        "return (printable(shown",
        "test_pages.py test_report.py",
    ),
    Fault(
        "a path traversal check removed: members of a zip", "data/archive.py",
        'or ".." in parts or',
        "or",
        "data/test_pack.py",
    ),
    Fault(
        "a path traversal check removed: links out of a folder", "untrusted.py",
        "    if not real.is_relative_to(home):\n",
        "    if not home.is_absolute():\n",
        "test_hostile.py",
    ),
    Fault(
        "a check of kinds removed: a recipe names any function of its modules", "config/references.py",
        "suits = any(kind(value) for kind in kinds)",
        "suits = bool(kinds)",
        "test_untrusted_recipes.py",
    ),
    Fault(
        "a place beside a run counts as one inside", "data/location.py",
        "Path(*path.parts[: len(root.parts)]) == root",
        "len(root.parts) > 0",
        "test_foreign_runs.py::test_only_what_lies_in_a_folder_above_a_run_is_near",
    ),
    Fault(
        "control characters shown as they are", "untrusted.py",
        "    if text.isprintable():\n        return text\n",
        "    if text:\n        return text\n",
        "test_hostile.py",
    ),
    # ---- metrics ----------------------------------------------------------------------------------------------------------
    Fault(
        "a forgotten offset: the diagonal of later blocks stays", "metrics/kernels.py",
        "torch.zeros(len(block), dtype=x.dtype), start).sum(1)",
        "torch.zeros(len(block), dtype=x.dtype), 0).sum(1)",
        "metrics/test_kernels.py",
    ),
    Fault(
        "a biased covariance", "metrics/frechet.py",
        "math.sqrt(len(x) - 1)",
        "math.sqrt(len(x))",
        "metrics/test_frechet.py",
    ),
    Fault(
        "what is shared is loaded again: the network of each scale", "metrics/extractors/features.py",
        "if (network := _IN_USE.get(key)) is None:",
        "if (network := None) is None:",
        "metrics/test_pyramid.py::test_its_looks_share_one_network",
    ),
    Fault(
        "a point that is its own neighbour", "metrics/manifold.py",
        "distances.diagonal_scatter(nowhere, start).kthvalue(k, dim=1)",
        "distances.kthvalue(k, dim=1)",
        "metrics/test_manifold.py",
    ),
    Fault(
        "a score on what was trained on", "data/batches.py",
        "return parts.held_out if len(parts.held_out) else parts.train[:1000]",
        "return parts.train[:1000]",
        "data/test_batches.py",
    ),
    # ---- inference and the command line -----------------------------------------------------------------------------------
    Fault(
        "an ignored index: the series always begins at 0", "inference/sampler.py",
        "series = range(start, start + MICROBATCH)",
        "series = range(start - first, start - first + MICROBATCH)",
        "test_runs.py::test_sample_is_the_same_whatever_the_count_and_judge_gives_probabilities",
    ),
    Fault(
        "an open end: an interpolation that stops before its goal", "inference/encoding.py",
        "torch.linspace(0, 1, steps)[:, None]",
        "(torch.arange(steps) / steps)[:, None]",
        "test_encoders.py",
    ),
    Fault(
        "the weakest axes first", "latents/directions.py",
        "eigenvectors.flip(1).T[:most]",
        "eigenvectors.T[:most]",
        "test_export.py::test_directions_hold_on_latents_that_they_were_not_found_on",
    ),
    Fault(
        "a crop at the wrong end", "networks/layers.py",
        "..., : self.factor * height, : self.factor * width",
        "..., -self.factor * height :, -self.factor * width :",
        "test_translating.py",
    ),
    Fault(
        "an exit code of ours for a user's mistake", "cli/main.py",
        '    say(sentence)\n    return 2',
        '    say(sentence)\n    return 1',
        "test_cli.py",
    ),
    Fault(
        "a file that does not say that it is synthetic", "training/trainer.py",
        "snapshot.made_by(state) if made else None",
        "None",
        "test_provenance.py",
    ),
    Fault(
        "half of a gradient: the contrast across alone", "games/latent.py",
        "down[..., 1:].square() + across[..., 1:, :].square()",
        "across[..., 1:, :].square()",
        "test_latent.py::test_local_contrast_is_the_root_of_the_mean_square_of_the_gradient",
    ),
    Fault(
        "colours of nothing: a contrast of what is transparent", "games/latent.py",
        "local_contrast(covered(y, x)) - local_contrast(covered(x, x))",
        "local_contrast(y) - local_contrast(x)",
        "test_ranges.py",
    ),
    Fault(
        "a cost for a share: what a size keeps of itself", "data/resolution.py",
        "    if side < top:\n",
        "    if side > top:\n",
        "data/test_check.py",
    ),
]  # fmt: skip
