using System.Collections.Concurrent;
using Dormouse.Core;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Dormouse.Server.Dispatch;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Usage;

/// <summary>
/// Receipts of provisioned time. Each engine of a revision that has provisioned instances has one stretch open in the journal; it is closed with what the engine metered at every
/// fifth minute of the wall clock, so that none reaches into another hour, and when the engine goes. What a crash leaves open is billed 0, as an invocation is.
/// </summary>
internal sealed partial class ProvisionedAccounts(IInvocationJournal journal, PriceBook prices, IIdSource ids, TimeProvider time, ILogger<ProvisionedAccounts> logger)
    : IAsyncDisposable
{
    /// <summary>Divides an hour.</summary>
    public static readonly TimeSpan Stretch = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<RevisionDriver, Account> _accounts = new();
    private readonly Lock _timing = new();
    private ITimer? _timer;
    private bool _isDisposed;

    /// <summary>An engine begins; nothing happens when its revision has no provisioned instances.</summary>
    public void Open(RevisionDriver driver)
    {
        if (driver.Revision.Spec.Provisioned > 0)
        {
            _accounts[driver] = new Account(this, driver);
            Arm();
        }
    }

    /// <summary>An engine is gone: what it metered to its end is written.</summary>
    public void Close(RevisionDriver driver)
    {
        if (_accounts.TryRemove(driver, out var account))
        {
            account.Close(isLast: true);
        }
    }

    /// <summary>Writes what is there up to now.</summary>
    public void CloseStretches()
    {
        foreach (var account in _accounts.Values)
        {
            account.Close(isLast: false);
        }
    }

    /// <summary>The server stops; its engines meter no more.</summary>
    public async ValueTask DisposeAsync()
    {
        ITimer? timer;
        lock (_timing)
        {
            _isDisposed = true;
            timer = _timer;
        }

        if (timer is not null)
        {
            await timer.DisposeAsync();
        }

        foreach (var driver in _accounts.Keys)
        {
            Close(driver);
        }
    }

    private void Arm()
    {
        lock (_timing)
        {
            if (!_isDisposed)
            {
                // A millisecond more than needed: a timer that fires early would close a stretch of the same five minutes twice.
                var wait = TimeSpan.FromTicks(Stretch.Ticks - (time.GetUtcNow().UtcTicks % Stretch.Ticks)) + TimeSpan.FromMilliseconds(1);
                _timer ??= time.CreateTimer(_ => Tick(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                _timer.Change(wait, Timeout.InfiniteTimeSpan);
            }
        }
    }

    private void Tick()
    {
        CloseStretches();
        if (!_accounts.IsEmpty)
        {
            Arm();
        }
    }

    private DateTimeOffset Now => time.GetUtcNow();

    private Guid NewId() => ids.NewId();

    private long TryOpen(in InvocationOpening opening) => journal.TryOpen(opening);

    private void Write(long sequence, in InvocationOpening opening, long microseconds) =>
        journal.Close(Receipts.ProvisionedTime(journal.ServerId, sequence, opening, microseconds, prices));

    /// <summary>The open stretch of one engine.</summary>
    private sealed class Account
    {
        private readonly Lock _stretch = new();
        private readonly ProvisionedAccounts _owner;
        private readonly RevisionDriver _driver;
        private InvocationOpening _opening;
        private long _sequence = -1;

        /// <summary>Metered, but there was no room in the journal for it: it goes with the next stretch.</summary>
        private long _microseconds;

        public Account(ProvisionedAccounts owner, RevisionDriver driver)
        {
            _owner = owner;
            _driver = driver;
            OpenLocked();
        }

        public void Close(bool isLast)
        {
            var metered = _driver.MeterProvisioned();
            lock (_stretch)
            {
                _microseconds += metered;
                if (_sequence < 0)
                {
                    OpenLocked();
                }

                // A stretch in which nothing was provisioned stays open: it leaves no receipt of nothing, but for the last.
                if (_sequence < 0 || (_microseconds == 0 && !isLast))
                {
                    if (isLast && _microseconds > 0)
                    {
                        _owner.LogUnrecorded(_driver.Revision.Id, _microseconds);
                    }

                    return;
                }

                _owner.Write(_sequence, _opening, _microseconds);
                (_sequence, _microseconds) = (-1, 0);
                if (!isLast)
                {
                    OpenLocked();
                }
            }
        }

        private void OpenLocked()
        {
            var revision = _driver.Revision;
            _opening = new InvocationOpening(
                new InvocationId(_owner.NewId()), revision.Tenant, revision.Id, 0, _owner.Now, revision.Spec.MemoryMib, ReceiptLine.ProvisionedTime);
            _sequence = _owner.TryOpen(_opening);
        }
    }

    [LoggerMessage(EventId = 2203, EventName = "ProvisionedTimeUnrecorded", Level = LogLevel.Warning,
        Message = "The journal was full when the provisioned instances of {Revision} ended: {Microseconds} µs of theirs are not billed")]
    private partial void LogUnrecorded(RevisionId revision, long microseconds);
}
