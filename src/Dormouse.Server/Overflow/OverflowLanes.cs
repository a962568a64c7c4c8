using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net.Sockets;
using System.Text;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Overflow;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;
using Dormouse.Server.Dispatch;

namespace Dormouse.Server.Overflow;

/// <summary>The lanes of all revisions that have an overflow address, and the connections to these addresses.</summary>
internal sealed class OverflowLanes(DispatchService dispatch) : IDisposable
{
    /// <summary>Lanes remembered; beyond it those that nobody uses are forgotten with their health.</summary>
    private const int LanesMax = 10_000;

    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<RevisionId, OverflowLane> _lanes = new();

    private readonly SocketsHttpHandler _handler = new()
    {
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = System.Net.DecompressionMethods.None,
        ActivityHeadersPropagator = null,
        RequestHeaderEncodingSelector = static (_, _) => Encoding.UTF8,
        ConnectTimeout = ConnectLimit,
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
        // An address that moves is found again.
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    };

    /// <summary>Connections to every address.</summary>
    public HttpMessageInvoker Invoker => field ??= new HttpMessageInvoker(_handler, disposeHandler: false);

    public OverflowLane Of(RevisionId revision, OverflowPolicy policy)
    {
        if (_lanes.TryGetValue(revision, out var lane))
        {
            return lane;
        }

        if (_lanes.Count >= LanesMax)
        {
            foreach (var unused in _lanes.Where(l => l.Value.State.Running == 0).Select(l => l.Key).ToArray())
            {
                _lanes.TryRemove(unused, out _);
            }
        }

        return _lanes.GetOrAdd(revision, static (_, policy) => new OverflowLane(policy), policy);
    }

    /// <summary>How the lanes of an endpoint's revisions stand; null when nothing was sent over any.</summary>
    public ImmutableArray<OverflowInfo>? Infos(IEnumerable<Revision> revisions)
    {
        ImmutableArray<OverflowInfo> infos =
        [
            .. from revision in revisions
               where _lanes.ContainsKey(revision.Id)
               let lane = _lanes[revision.Id]
               let state = lane.State
               select new OverflowInfo(
                   RevisionViews.Name(revision.Id.Number), lane.Policy.Host, Words.Of(state.Health.State),
                   state.Health.State == OverflowState.Open ? dispatch.WallTime(state.Health.Until) : null,
                   state.Running, lane.Policy.Max, state.Answered, state.NotTaken, state.Failed, state.LastFailure),
        ];
        return infos.IsEmpty ? null : infos;
    }

    /// <summary>The request has not reached the address: no connection could be made.</summary>
    public static bool IsUnreached(Exception? fault) => fault switch
    {
        HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError } => true,
        OperationCanceledException { InnerException: TimeoutException } => true,
        { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionRefused } } => true,
        _ => false,
    };

    public void Dispose() => _handler.Dispose();
}
