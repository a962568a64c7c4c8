using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Drill;

/// <summary>What was seen of a handover.</summary>
/// <param name="Info">When it was looked at last.</param>
/// <param name="ColdByNew">Callers of the new revision who waited for a start though one was to be ready.</param>
/// <param name="ByNew">Its answers.</param>
/// <param name="KeptOld">Instances of the old one while they are to be kept.</param>
/// <param name="ColdByOld">Callers of the old one who waited for a start after the way back.</param>
internal sealed record HandoverSight(HandoverInfo? Info, int New, int Old, int ByNew, int ColdByNew, int KeptOld, int ColdByOld)
{
    public bool HasMoved => Info is { MovedAt: not null };
}

/// <summary>
/// A handover (blue and green) under load, and back. Promised: the traffic moves by itself when the new revision is warm, nobody it answers waits for its first start, instances of the old one are kept, and who comes after the
/// way back finds them warm. Each answer is judged for whether its revision had traffic.
/// </summary>
internal sealed class HandoverAct(DrillEndpoint endpoint, DrillCaller caller, DrillPromises promises, TimeProvider time)
{
    private static readonly TimeSpan MovedLimit = TimeSpan.FromSeconds(75);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(50);

    /// <param name="underLoadAsync">Does something in the middle of a steady load, which goes on for a while.</param>
    public async Task PlayAsync(string act, Func<Func<CancellationToken, Task>, CancellationToken, Task> underLoadAsync, CancellationToken cancellationToken)
    {
        await endpoint.BackToUsualAsync(cancellationToken);
        var old = endpoint.NewestUsual;
        var (there, back) = (new AnswersByRevision(), new AnswersByRevision());
        HandoverSight? sight = null;
        try
        {
            caller.Heard = there.Heard;
            await underLoadAsync(async cancelled => sight = await MoveAsync(old, cancelled), cancellationToken);
            if (sight is { HasMoved: true })
            {
                var kept = (await endpoint.InstancesAsync(cancellationToken)).Count(i => i.Revision == DrillEndpoint.NameOf(old));
                await endpoint.RollBackAsync(cancellationToken);
                caller.Heard = back.Heard;
                await underLoadAsync(_ => Task.CompletedTask, cancellationToken);
                sight = sight with { KeptOld = kept, ByNew = there.Of(sight.New), ColdByNew = there.ColdOf(sight.New), ColdByOld = back.ColdOf(old) };
            }
        }
        finally
        {
            caller.Heard = null;
        }

        if (sight is { } seen)
        {
            Judge(act, seen, promises);
        }

        await endpoint.BackToUsualAsync(cancellationToken);
    }

    /// <summary>Finds what is broken of what was seen.</summary>
    internal static void Judge(string act, HandoverSight seen, DrillPromises promises)
    {
        promises.Check(seen.HasMoved, act, $"the traffic did not move to r{seen.New} within {MovedLimit.TotalSeconds:0} s, the handover is {seen.Info?.State ?? "forgotten"}: {seen.Info?.Reason}");
        if (!seen.HasMoved)
        {
            return;
        }

        promises.Check(seen.ByNew > 0, act, $"r{seen.New} has the traffic and answered nobody");
        promises.Check(seen.ColdByNew == 0, act, $"{seen.ColdByNew} callers of r{seen.New} waited for its first start though it was to be warm");
        promises.Check(seen.KeptOld > 0, act, $"no instance of r{seen.Old} is there though they are to be kept for a way back");
        promises.Check(seen.ColdByOld == 0, act, $"{seen.ColdByOld} callers waited for a start of r{seen.Old} after the way back though it was kept");
    }

    private async Task<HandoverSight> MoveAsync(int old, CancellationToken cancellationToken)
    {
        await endpoint.BeginHandoverAsync(cancellationToken);
        var number = endpoint.Revisions;
        var start = time.GetTimestamp();
        while (true)
        {
            var info = (await endpoint.InfoAsync(cancellationToken)).Handover;
            var sight = new HandoverSight(info, number, old, 0, 0, 0, 0);
            if (sight.HasMoved || info is null or { State: "failed" or "ended" } || time.GetElapsedTime(start) > MovedLimit)
            {
                endpoint.RolloutEnded(sight.HasMoved ? number : old, isUsual: sight.HasMoved);
                return sight;
            }

            await Task.Delay(LookAgain, time, cancellationToken);
        }
    }
}
