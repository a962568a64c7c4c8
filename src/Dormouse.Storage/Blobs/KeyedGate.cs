namespace Dormouse.Storage.Blobs;

/// <summary>One holder a key at a time; others wait in turn. Keys that nobody holds or waits for take no memory.</summary>
internal sealed class KeyedGate<TKey>
    where TKey : notnull
{
    private readonly Lock _gatesLock = new();
    private readonly Dictionary<TKey, Gate> _gates = [];

    public async Task<IDisposable> EnterAsync(TKey key, CancellationToken cancellationToken)
    {
        Gate gate;
        lock (_gatesLock)
        {
            if (!_gates.TryGetValue(key, out var known))
            {
                known = new Gate(this, key);
                _gates.Add(key, known);
            }

            gate = known;
            gate.Users++;
        }

        try
        {
            await gate.Turn.WaitAsync(cancellationToken);
            return gate;
        }
        catch
        {
            Leave(gate);
            throw;
        }
    }

    private void Leave(Gate gate)
    {
        lock (_gatesLock)
        {
            if (--gate.Users == 0)
            {
                _gates.Remove(gate.Key);
                gate.Turn.Dispose();
            }
        }
    }

    private sealed class Gate(KeyedGate<TKey> owner, TKey key) : IDisposable
    {
        public TKey Key => key;

        public SemaphoreSlim Turn { get; } = new(1, 1);

        public int Users { get; set; }

        public void Dispose()
        {
            Turn.Release();
            owner.Leave(this);
        }
    }
}
