using System.Globalization;
using System.Security.Cryptography;
using Dormouse.Storage.Sqlite;
using Dormouse.Storage.Tests.Support;
using Microsoft.Data.Sqlite;

namespace Dormouse.Storage.Tests;

public sealed class DataFolderTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_second_server_is_refused_with_the_process_of_the_first()
    {
        await using var first = await _folder.OpenAsync();

        var refused = await Assert.ThrowsAsync<DataFolderException>(_folder.OpenAsync);

        Assert.Contains($"used by another server (process {Environment.ProcessId})", refused.Message, StringComparison.Ordinal);
        await first.Catalogue.AddRevisionAsync(Samples.Revision(), Samples.Endpoint, Samples.Noon, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_closed_folder_is_free_and_keeps_its_server_id()
    {
        var first = await _folder.OpenAsync();
        var id = first.ServerId;
        await first.DisposeAsync();
        Assert.False(File.Exists(Path.Combine(_folder.Data, "server.pid")));

        await using var second = await _folder.OpenAsync();

        Assert.Equal(id, second.ServerId);
        Assert.Equal(_folder.Data, second.FolderPath);
    }

    [Fact]
    public async Task A_refused_opening_leaves_the_folder_free()
    {
        _folder.Options = _folder.Options with { JournalBytes = 1 };
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(_folder.OpenAsync);

        _folder.Options = _folder.Options with { JournalBytes = 64 << 10 };
        await using var opened = await _folder.OpenAsync();

        Assert.NotEqual(Guid.Empty, opened.ServerId);
    }

    [Fact]
    public async Task Only_the_owner_may_look_into_the_folder()
    {
        Directory.CreateDirectory(_folder.Data);
        await using var opened = await _folder.OpenAsync();

        const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(_folder.Data));
        Assert.All(Directory.EnumerateDirectories(_folder.Data), d => Assert.Equal(OwnerOnly, File.GetUnixFileMode(d)));
    }

    [Fact]
    public async Task A_folder_of_a_newer_version_is_refused_with_both_numbers_and_stays_as_it_was()
    {
        await (await _folder.OpenAsync()).DisposeAsync();
        Execute("PRAGMA user_version = 9000");
        var before = Contents();

        var refused = await Assert.ThrowsAsync<DataFolderException>(_folder.OpenAsync);

        Assert.Contains("format 9000", refused.Message, StringComparison.Ordinal);
        Assert.Contains($"format {SqliteMigrator.CurrentVersion}", refused.Message, StringComparison.Ordinal);
        Assert.Equal(before, Contents());
    }

    [Fact]
    public async Task A_journal_of_a_newer_version_is_refused_with_both_numbers_and_stays_as_it_was()
    {
        await (await _folder.OpenAsync()).DisposeAsync();
        var journal = Path.Combine(_folder.Data, "journal");
        var bytes = await File.ReadAllBytesAsync(journal, TestContext.Current.CancellationToken);
        bytes[8] = 77;
        await File.WriteAllBytesAsync(journal, bytes, TestContext.Current.CancellationToken);

        var refused = await Assert.ThrowsAsync<DataFolderException>(_folder.OpenAsync);

        Assert.Contains("format 77", refused.Message, StringComparison.Ordinal);
        Assert.Contains("format 1", refused.Message, StringComparison.Ordinal);
        Assert.Equal(bytes, await File.ReadAllBytesAsync(journal, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_journal_of_another_folder_is_refused()
    {
        await (await _folder.OpenAsync()).DisposeAsync();
        Execute("UPDATE server SET server_id = x'000102030405060708090A0B0C0D0E0F'");

        var refused = await Assert.ThrowsAsync<DataFolderException>(_folder.OpenAsync);

        Assert.Contains("00010203-0405-0607-0809-0a0b0c0d0e0f", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_database_of_another_program_is_refused()
    {
        Directory.CreateDirectory(_folder.Data);
        Execute("CREATE TABLE theirs (x)");

        var refused = await Assert.ThrowsAsync<DataFolderException>(_folder.OpenAsync);

        Assert.Contains("another program", refused.Message, StringComparison.Ordinal);
    }

    private void Execute(string sql)
    {
        using var connection = new SqliteConnection($"Data Source={Path.Combine(_folder.Data, "dormouse.db")};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private string Contents() => string.Join('\n', Directory.EnumerateFiles(_folder.Data, "*", SearchOption.AllDirectories)
        .Where(f => Path.GetFileName(f) is not "lock")
        .Order(StringComparer.Ordinal)
        .Select(f => string.Create(CultureInfo.InvariantCulture, $"{f} {Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(f)))}")));
}
