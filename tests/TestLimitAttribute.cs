using System.Collections.Concurrent;
using System.Reflection;
using Dormouse.Tests;
using Xunit.v3;

[assembly: TestLimit]

namespace Dormouse.Tests;

/// <summary>
/// Cancels a test that has gone on for much longer than any takes on a busy machine, so that it fails where it hangs and its report says where. One that does not heed its token is ended by the
/// run's own limit (<c>./test</c>).
/// </summary>
[AttributeUsage(AttributeTargets.Assembly)]
public sealed class TestLimitAttribute : BeforeAfterTestAttribute
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(12);

    /// <summary>Long runs have tests that take hours.</summary>
    private static readonly bool IsLong = Environment.GetEnvironmentVariable("DORMOUSE_TEST_LONG") == "1" || Environment.GetEnvironmentVariable("DORMOUSE_SEEDS") is not null;

    private readonly ConcurrentDictionary<string, Timer> _running = new(StringComparer.Ordinal);

    public override void Before(MethodInfo methodUnderTest, IXunitTest test)
    {
        ArgumentNullException.ThrowIfNull(test);
        if (IsLong)
        {
            return;
        }

        var context = TestContext.Current;
        void Cancel(object? state)
        {
            context.TestOutputHelper?.WriteLine($"It has gone on for {Limit.TotalMinutes} minutes and is cancelled.");
            context.CancelCurrentTest();
        }

        _running[test.UniqueID] = new Timer(Cancel, null, Limit, Timeout.InfiniteTimeSpan);
    }

    public override void After(MethodInfo methodUnderTest, IXunitTest test)
    {
        ArgumentNullException.ThrowIfNull(test);
        if (_running.TryRemove(test.UniqueID, out var timer))
        {
            timer.Dispose();
        }
    }
}
