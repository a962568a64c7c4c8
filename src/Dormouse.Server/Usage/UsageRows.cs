using System.Globalization;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;

namespace Dormouse.Server.Usage;

/// <summary>Adds totals up exactly; decimals are made only for the answer.</summary>
internal sealed class UsageRows
{
    /// <summary>MiB·µs of one GB-second (1 GB = 1,024 MB).</summary>
    private const double MibMicrosecondsPerGbSecond = 1024.0 * 1_000_000;

    private long _invocations;
    private long _coldStarts;
    private long _failures;
    private long _runMicroseconds;
    private long _cpuMicroseconds;
    private long _billedMilliseconds;
    private Int128 _mibMicroseconds;
    private Int128 _pricePico;

    public UsageRows Add(UsageTotal total)
    {
        checked
        {
            _invocations += total.Invocations;
            _coldStarts += total.ColdStarts;
            _failures += total.Failures;
            _runMicroseconds += total.RunMicroseconds;
            _cpuMicroseconds += total.CpuMicroseconds;
            _billedMilliseconds += total.BilledMilliseconds;
            _mibMicroseconds += total.MibMicroseconds;
            _pricePico += total.PricePico;
        }

        return this;
    }

    public UsageRow Row(string? endpoint, EndpointId? id, DateTimeOffset? hour, ReceiptLine? line) => new(
        endpoint,
        id?.ToString(),
        hour,
        _invocations,
        _coldStarts,
        _failures,
        _runMicroseconds / 1000.0,
        _cpuMicroseconds / 1000.0,
        _billedMilliseconds,
        (double)_mibMicroseconds / MibMicrosecondsPerGbSecond,
        _mibMicroseconds.ToString(CultureInfo.InvariantCulture),
        _pricePico.ToString(CultureInfo.InvariantCulture),
        PicoMoney.Format(_pricePico),
        line is { } one ? Words.Of(one) : null);
}
