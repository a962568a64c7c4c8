using Dormouse.Core.Endpoints;

namespace Dormouse.Server.Pipelines;

/// <summary>How many runs of each pipeline there are: each holds its input and its outputs in memory.</summary>
internal sealed class PipelinePlaces
{
    private readonly Lock _countsLock = new();
    private readonly Dictionary<EndpointId, int> _counts = [];

    /// <summary>False when as many run as may; else <see cref="Leave"/> must follow.</summary>
    public bool TryEnter(EndpointId endpoint, int max)
    {
        lock (_countsLock)
        {
            var count = _counts.GetValueOrDefault(endpoint);
            if (count >= max)
            {
                return false;
            }

            _counts[endpoint] = count + 1;
            return true;
        }
    }

    public void Leave(EndpointId endpoint)
    {
        lock (_countsLock)
        {
            if (--_counts[endpoint] == 0)
            {
                _counts.Remove(endpoint);
            }
        }
    }
}
