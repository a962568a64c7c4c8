using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;

namespace Dormouse.Worker.Running;

/// <summary>
/// A guard behind the gateway's slots: as many runs at once as the revision allows. As many again may wait a moment, because a caller who left
/// frees its slot in the gateway before the engine has stopped here; more than that are refused. Where the gateway sets no limit, as many as <paramref name="insideMax"/> says may be inside.
/// </summary>
/// <param name="insideMax">Running and waiting at most; 0 = twice <paramref name="concurrency"/>.</param>
internal sealed class RunGate(int concurrency, int insideMax = 0) : IDisposable
{
    private readonly int _insideMax = insideMax > 0 ? insideMax : 2 * concurrency;
    private readonly SemaphoreSlim _places = new(concurrency);
    private int _inside;

    /// <summary>Running and waiting.</summary>
    internal int Inside => Volatile.Read(ref _inside);

    /// <summary>Waits for a place; <see cref="Leave"/> gives it back. Throws when too many wait already.</summary>
    internal async ValueTask EnterAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Increment(ref _inside) > _insideMax)
        {
            Interlocked.Decrement(ref _inside);
            throw new InferenceException(ProblemCode.CapacityExhausted, $"This instance runs {concurrency} at once, and {_insideMax - concurrency} wait already. Send it again.");
        }

        try
        {
            await _places.WaitAsync(cancellationToken);
        }
        catch
        {
            Interlocked.Decrement(ref _inside);
            throw;
        }
    }

    internal void Leave()
    {
        Interlocked.Decrement(ref _inside);
        _places.Release();
    }

    public void Dispose() => _places.Dispose();
}
