"""Everything that an operator does, put together; each part is told what it needs and no more."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial

from varflow.language.evaluating import Evaluator
from varflow.logs import StoreLog
from varflow.variables.encryption.policies import Policy
from varflow.variables.stores import s3_urls
from varflow_operator import names
from varflow_operator.announcing import Announcer, Said
from varflow_operator.conditions import Status
from varflow_operator.instances.blueprints import Blueprints
from varflow_operator.instances.closings import Closings
from varflow_operator.instances.definitions import Definitions
from varflow_operator.instances.ground import Ground
from varflow_operator.instances.instances import Instances
from varflow_operator.instances.sightings import Sightings
from varflow_operator.kinds import INSTANCE, POD, VARIABLE, WORKFLOW, Object
from varflow_operator.lending import opening
from varflow_operator.lending.lender import Lender, Nobody
from varflow_operator.lending.minting import Mint
from varflow_operator.lending.modes import Mode
from varflow_operator.names import Reason
from varflow_operator.observing import Subscription
from varflow_operator.parts import Parts, Supplies
from varflow_operator.pods.pods import Pods
from varflow_operator.pods.sidecars import Sidecars
from varflow_operator.resources.objects import Platform
from varflow_operator.resources.pods import SidecarImage
from varflow_operator.sweeping.sweeper import Sweeper
from varflow_operator.variables.declaring import DeclaredVariables
from varflow_operator.workflows.reconciling import Workflows
from varflow_operator.workflows.revisions import Revisions


@contextlib.asynccontextmanager
async def compose(supplies: Supplies) -> AsyncIterator[Parts]:
    """Give the parts of an operator as long as the context lasts."""
    cluster, settings = supplies.cluster, supplies.settings
    revisions = Revisions(cluster)
    async with contextlib.AsyncExitStack() as stack:
        ground = await _make_ground(stack, supplies, revisions)
        instances = Instances(ground, namespaces=settings.watch_namespaces or (None,))
        announcer = Announcer(cluster, reporter=settings.pod_name)
        lender = _make_lender(supplies, announcer)
        sweeper = Sweeper(ground, instances, namespaces=settings.watch_namespaces)
        workflows = Workflows(
            cluster,
            platform=_platform(supplies),
            token=supplies.credentials.token_of,
            live_revisions=instances.live_revisions,
            revisions=revisions,
            note_functions=ground.pods.note_functions,
            note=partial(supplies.metrics.reconciled, WORKFLOW),
            keys=supplies.keys.of,
            lend=lender.lend,
        )
        supplies.keys.tell(changed=workflows.wake_all)
        lender.tell(changed=workflows.wake_all)
        instances.tell(deleted=sweeper.note_deleted, released=workflows.wake)
        ground.definitions.tell(gone=instances.lose_workflow)
        closings = Closings(cluster, close=instances.close)
        declared = DeclaredVariables(
            cluster,
            supplies.variables,
            supplies.ownership,
            note=partial(supplies.metrics.reconciled, VARIABLE),
            keeps_secrets=Policy(settings.encryption).writes_sealed,
        )
        of_workflows = (workflows, ground.definitions, _Following(declared), announcer)
        yield Parts(
            subscriptions=(
                Subscription(WORKFLOW, of_workflows),
                Subscription(VARIABLE, (declared, announcer)),
                Subscription(INSTANCE, (instances, ground.sightings, announcer)),
                Subscription(POD, (ground.pods, closings), labels=_OUR_PODS),
            ),
            workers=(
                *(workflows, declared, instances, closings),
                *(sweeper, announcer, supplies.keys, lender),
            ),
        )


_OUR_PODS = names.selector({names.LABEL_MANAGER: names.MANAGER})


def _make_lender(supplies: Supplies, announcer: Announcer) -> Lender | Nobody:
    """Return who lends limited credentials of the store."""
    settings = supplies.settings
    desk = opening.find_desk(settings, supplies.credentials.store)
    if desk is None:
        return Nobody()

    def tell(obj: Object, message: str) -> None:
        said = Said(Status.FALSE, Reason.CREDENTIALS_NOT_LIMITED, message)
        announcer.tell(obj, said)

    return Lender(
        supplies.cluster,
        Mint(desk),
        s3_urls.parse(settings.store),
        mode=Mode(settings.store_credentials),
        ownership=supplies.ownership,
        tell=tell,
    )


class _Following:
    """Declared variables of a workflow follow it."""

    def __init__(self, declared: DeclaredVariables) -> None:
        self._declared = declared

    def observe(self, event_type: str | None, obj: Object) -> None:
        self._declared.observe_workflow(event_type, obj)


async def _make_ground(
    stack: contextlib.AsyncExitStack, supplies: Supplies, revisions: Revisions
) -> Ground:
    epoch, store = supplies.leadership.epoch, supplies.variables.store
    log = StoreLog(store, note_dropped=supplies.metrics.log_lines_dropped.inc)
    stack.push_async_callback(log.close)
    pods = Pods(supplies.cluster, namespaces=supplies.settings.watch_namespaces or (None,))
    stack.push_async_callback(pods.close)
    return Ground(
        cluster=supplies.cluster,
        variables=supplies.variables,
        evaluator=await stack.enter_async_context(Evaluator()),
        log=log,
        metrics=supplies.metrics,
        pods=pods,
        sidecars=await stack.enter_async_context(Sidecars(epoch=epoch)),
        ownership=supplies.ownership,
        definitions=Definitions(),
        sightings=Sightings(),
        blueprints=Blueprints(revisions),
        token_of=supplies.credentials.token_of,
        epoch=epoch,
        pending_seconds=supplies.settings.pending_seconds,
    )


def _platform(supplies: Supplies) -> Platform:
    settings = supplies.settings
    return Platform(
        sidecar=SidecarImage(
            name=settings.sidecar_image,
            pull_policy=settings.sidecar_pull_policy,
            verdict=supplies.verdict,
        ),
        store=settings.sidecar_store,
        credentials=supplies.credentials.store,
        encryption=Policy(settings.encryption),
    )
