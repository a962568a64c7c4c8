using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Brokers.Aws;

/// <summary>A message that was received and is not settled.</summary>
/// <param name="Receipt">Of its last receipt: what is done with an older one counts for nothing.</param>
/// <param name="ExtendAt">When its visibility is to be extended.</param>
internal sealed record HeldMessage(string Id, string Receipt, DateTimeOffset ExtendAt)
{
    /// <summary>What has it; null = it is not queued yet.</summary>
    public InvocationId? Run { get; init; }
}

/// <summary>Messages of one trigger that we have and that others must not get meanwhile.</summary>
internal sealed class SqsHeld
{
    private readonly Lock _messagesLock = new();
    private readonly Dictionary<string, HeldMessage> _messages = new(StringComparer.Ordinal);

    public int Count
    {
        get
        {
            lock (_messagesLock)
            {
                return _messages.Count;
            }
        }
    }

    /// <summary>False when a run of ours has it already: it came again because its visibility ended, and is held by its new receipt from now on.</summary>
    public bool Arrives(HeldMessage message)
    {
        lock (_messagesLock)
        {
            var run = _messages.GetValueOrDefault(message.Id)?.Run;
            _messages[message.Id] = message with { Run = run };
            return run is null;
        }
    }

    public HeldMessage? Find(string id)
    {
        lock (_messagesLock)
        {
            return _messages.GetValueOrDefault(id);
        }
    }

    public void Runs(string id, InvocationId run)
    {
        lock (_messagesLock)
        {
            if (_messages.TryGetValue(id, out var message))
            {
                _messages[id] = message with { Run = run };
            }
        }
    }

    public void Remove(IEnumerable<string> ids)
    {
        lock (_messagesLock)
        {
            foreach (var id in ids)
            {
                _messages.Remove(id);
            }
        }
    }

    /// <summary>What no run has comes again by itself when the source is opened anew.</summary>
    public void ForgetUnqueued()
    {
        lock (_messagesLock)
        {
            foreach (var id in _messages.Values.Where(m => m.Run is null).Select(m => m.Id).ToList())
            {
                _messages.Remove(id);
            }
        }
    }

    /// <summary>Takes note that these are extended now, the next time at <paramref name="next"/>.</summary>
    public ImmutableArray<HeldMessage> TakeForExtension(DateTimeOffset now, DateTimeOffset next)
    {
        lock (_messagesLock)
        {
            var due = _messages.Values.Where(m => m.ExtendAt <= now).ToImmutableArray();
            foreach (var message in due)
            {
                _messages[message.Id] = message with { ExtendAt = next };
            }

            return due;
        }
    }

    /// <summary>Messages by the run that has them, in the order in which they came.</summary>
    public ImmutableArray<IGrouping<InvocationId, HeldMessage>> Running()
    {
        lock (_messagesLock)
        {
            return [.. _messages.Values.Where(m => m.Run is not null).GroupBy(m => m.Run!.Value)]; // Just looked at.
        }
    }
}
