using System.Net;
using System.Net.Sockets;
using Dormouse.Server.Telemetry;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Hosting.Connections;

/// <summary>
/// Counts who is connected, in all and by address, and says no above the bounds: every connection costs a file, also that of a caller without a key, and a
/// server without files left can neither answer nor write a receipt. Callers of this machine are bounded in all only: behind a proxy all callers look like that.
/// </summary>
internal sealed partial class ConnectionGate(ConnectionBounds bounds, ConnectionMetrics metrics, TimeProvider time, ILogger<ConnectionGate> logger)
{
    /// <summary>A flood is one fact, not one for each connection.</summary>
    private static readonly TimeSpan LogInterval = TimeSpan.FromMinutes(1);

    private readonly Lock _counts = new();
    private readonly Dictionary<IPAddress, int> _byAddress = [];
    private int _total;
    private long _refused;
    private long? _loggedAt;

    /// <summary>Connections now.</summary>
    public int Count
    {
        get
        {
            lock (_counts)
            {
                return _total;
            }
        }
    }

    /// <summary>False when there are too many. Whoever was let in must leave once.</summary>
    public bool TryEnter(EndPoint? remote)
    {
        var address = Counted(remote);
        ConnectionBound reached;
        lock (_counts)
        {
            var own = address is null ? 0 : _byAddress.GetValueOrDefault(address);
            if (_total < bounds.Total && (address is null || own < bounds.PerAddress))
            {
                _total++;
                if (address is not null)
                {
                    _byAddress[address] = own + 1;
                }

                return true;
            }

            reached = _total < bounds.Total ? ConnectionBound.PerAddress : ConnectionBound.Total;
        }

        Refused(reached, remote);
        return false;
    }

    public void Leave(EndPoint? remote)
    {
        var address = Counted(remote);
        lock (_counts)
        {
            _total--;
            if (address is not null && _byAddress.GetValueOrDefault(address) is var own)
            {
                if (own > 1)
                {
                    _byAddress[address] = own - 1;
                }
                else
                {
                    _byAddress.Remove(address);
                }
            }
        }
    }

    /// <summary>
    /// Whom a connection counts for: an IPv4 address, or the first half of an IPv6 one, whose second half every host chooses for itself. Null for this machine.
    /// </summary>
    internal static IPAddress? Counted(EndPoint? remote)
    {
        if (remote is not IPEndPoint { Address: var address } || IPAddress.IsLoopback(address))
        {
            return null;
        }

        if (address.IsIPv4MappedToIPv6)
        {
            var mapped = address.MapToIPv4();
            return IPAddress.IsLoopback(mapped) ? null : mapped;
        }

        if (address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return address;
        }

        Span<byte> bytes = stackalloc byte[16];
        _ = address.TryWriteBytes(bytes, out _);
        bytes[8..].Clear();
        return new IPAddress(bytes);
    }

    private void Refused(ConnectionBound reached, EndPoint? remote)
    {
        metrics.Refused(reached);
        long refused;
        lock (_counts)
        {
            _refused++;
            if (_loggedAt is { } last && time.GetElapsedTime(last) < LogInterval)
            {
                return;
            }

            _loggedAt = time.GetTimestamp();
            refused = _refused;
            _refused = 0;
        }

        if (reached == ConnectionBound.Total)
        {
            LogFull(bounds.Total, refused);
        }
        else
        {
            LogCrowded((remote as IPEndPoint)?.Address, bounds.PerAddress, refused);
        }
    }

    [LoggerMessage(EventId = 1201, EventName = "ConnectionsFull", Level = LogLevel.Warning,
        Message = "All {Bound} connections are taken and {Refused} more were cut since the last such line; raise server.connections_max (and the limit of open files) if they are wanted")]
    private partial void LogFull(int bound, long refused);

    [LoggerMessage(EventId = 1202, EventName = "AddressHasTooMany", Level = LogLevel.Warning,
        Message = "{Address} has {Bound} connections, as many as one address may, and {Refused} more were cut since the last such line; raise server.connections_per_address_max if it is a proxy")]
    private partial void LogCrowded(IPAddress? address, int bound, long refused);
}

/// <summary>Which bound a refused connection met.</summary>
internal enum ConnectionBound
{
    Total,
    PerAddress,
}
