using Dormouse.Storage.Sql;
using Dormouse.Storage.Sqlite;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Sqlite;

public sealed class SqliteWriterTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private SqlWriter? _writer;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private SqlWriter Writer => _writer!;

    public async ValueTask InitializeAsync()
    {
        _writer = new SqlWriter(SqliteSession.OpenWriter(_folder.File("test.db")));
        await _writer.RunAsync(s => s.Execute("CREATE TABLE t (x INTEGER PRIMARY KEY)"), Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        await Writer.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task One_failing_operation_of_a_batch_takes_nothing_of_the_others_with_it()
    {
        var hold = new ManualResetEventSlim();
        var first = Writer.RunAsync(s => Hold(hold), Cancellation);
        var good = Writer.RunAsync(s => Insert(s, 1), Cancellation);
        var bad = Writer.RunAsync(
            s =>
            {
                Insert(s, 2);
                return Insert(s, 1);
            },
            Cancellation);
        var alsoGood = Writer.RunAsync(s => Insert(s, 3), Cancellation);
        hold.Set();

        await Task.WhenAll(first, good, alsoGood);

        await Assert.ThrowsAsync<Microsoft.Data.Sqlite.SqliteException>(() => bad);
        Assert.Equal([1L, 3L], await RowsAsync());
    }

    [Fact]
    public async Task Many_callers_at_once_are_all_answered_and_all_stored()
    {
        const int Callers = 3 * SqlWriter.BatchMax;

        await Task.WhenAll(Enumerable.Range(1, Callers).Select(i => Writer.RunAsync(s => Insert(s, i), Cancellation)));

        Assert.Equal(Callers, (await RowsAsync()).Count);
    }

    [Fact]
    public async Task A_caller_who_leaves_while_waiting_has_changed_nothing()
    {
        var hold = new ManualResetEventSlim();
        using var leaving = new CancellationTokenSource();
        var first = Writer.RunAsync(s => Hold(hold), Cancellation);
        var left = Writer.RunAsync(s => Insert(s, 1), leaving.Token);
        await leaving.CancelAsync();
        hold.Set();
        await first;

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);

        Assert.Empty(await RowsAsync());
    }

    [Fact]
    public async Task A_lost_transaction_is_repeated_one_operation_at_a_time()
    {
        var hold = new ManualResetEventSlim();
        var first = Writer.RunAsync(s => Hold(hold), Cancellation);
        var good = Writer.RunAsync(s => Insert(s, 1), Cancellation);

        // What SQLite does by itself after some errors: the whole transaction is gone, not only the savepoint.
        var bad = Writer.RunAsync<int>(
            s =>
            {
                s.Execute("ROLLBACK");
                throw new InvalidOperationException("lost");
            },
            Cancellation);
        hold.Set();
        await Task.WhenAll(first, good);

        Assert.Equal("lost", (await Assert.ThrowsAsync<InvalidOperationException>(() => bad)).Message);
        Assert.Equal([1L], await RowsAsync());
    }

    [Fact]
    public async Task A_closed_writer_says_so()
    {
        await Writer.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => Writer.RunAsync(s => Insert(s, 1), Cancellation));
    }

    [Fact]
    public async Task Parts_of_a_joint_operation_run_together()
    {
        var hold = new ManualResetEventSlim();
        var sizes = new List<int>();
        IReadOnlyList<int> Body(SqlSession session, IReadOnlyList<int> parts)
        {
            sizes.Add(parts.Count);
            return [.. parts.Select(p => (10 * p) + Insert(session, p))];
        }

        JointBody<int, int> joint = Body;
        using var leaving = new CancellationTokenSource();
        var first = Writer.RunAsync(s => Hold(hold), Cancellation);
        Task<int>[] parts = [.. Enumerable.Range(1, 3).Select(i => Writer.RunAsync(joint, i, Cancellation))];
        var left = Writer.RunAsync(joint, 4, leaving.Token);
        await leaving.CancelAsync();
        hold.Set();
        await first;
        var results = await Task.WhenAll(parts);

        Assert.Equal([11, 21, 31], results);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        Assert.Equal([3], sizes);
        Assert.Equal([1L, 2L, 3L], await RowsAsync());
    }

    [Fact]
    public async Task A_part_that_fails_takes_nothing_of_the_others_with_it()
    {
        var hold = new ManualResetEventSlim();
        JointBody<int, int> joint = (session, parts) => [.. parts.Select(p => Insert(session, p))];
        var first = Writer.RunAsync(s => Hold(hold), Cancellation);
        Task<int>[] good = [Writer.RunAsync(joint, 1, Cancellation), Writer.RunAsync(joint, 2, Cancellation)];
        var bad = Writer.RunAsync(joint, 1, Cancellation);
        var alsoGood = Writer.RunAsync(joint, 3, Cancellation);
        hold.Set();
        await Task.WhenAll([first, .. good, alsoGood]);

        await Assert.ThrowsAsync<Microsoft.Data.Sqlite.SqliteException>(() => bad);
        Assert.Equal([1L, 2L, 3L], await RowsAsync());
    }

    private static int Insert(SqlSession session, int number) => session.Execute("INSERT INTO t VALUES ($x)", ("$x", number));

    private static bool Hold(ManualResetEventSlim hold)
    {
        hold.Wait(Cancellation);
        return true;
    }

    private Task<List<long>> RowsAsync() => Writer.RunAsync(s => s.All("SELECT x FROM t ORDER BY x", r => r.GetInt64(0)), Cancellation);
}
