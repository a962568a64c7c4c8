using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;

namespace Dormouse.Worker.Running;

/// <summary>
/// A guard behind the gateway's slots: as many runs at once as the revision allows. As many again may wait a moment, because a caller who left
/// frees its slot in the gateway before the engine has stopped here; more than that are refused.
/// </summary>
internal sealed class RunGate(int concurrency) : IDisposable
{
    private readonly SemaphoreSlim _places = new(concurrency);
    private int _inside;

    /// <summary>Running and waiting.</summary>
    internal int Inside => Volatile.Read(ref _inside);

    /// <summary>Waits for a place; <see cref="Leave"/> gives it back. Throws when too many wait already.</summary>
    internal async ValueTask EnterAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Increment(ref _inside) > 2 * concurrency)
        {
            Interlocked.Decrement(ref _inside);
            throw new InferenceException(ProblemCode.CapacityExhausted, $"This instance runs {concurrency} at once, and as many wait already. Send it again.");
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
