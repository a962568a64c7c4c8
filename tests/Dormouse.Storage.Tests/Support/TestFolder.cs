using System.Collections.Concurrent;
using System.Globalization;
using Dormouse.Core;
using Microsoft.Extensions.Time.Testing;

namespace Dormouse.Storage.Tests.Support;

/// <summary>A folder of its own for one test, and what is needed to open storage in it.</summary>
internal sealed class TestFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("dormouse-storage-").FullName;

    public TestFolder() => Options = new StorageOptions { FolderPath = Data, JournalBytes = 128 << 10 };

    public string Data => Path.Combine(_path, "data");

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero));

    public CountingIds Ids { get; } = new();

    public ConcurrentQueue<Exception> Errors { get; } = [];

    public StorageOptions Options { get; set; }

    public string File(string name) => Path.Combine(_path, name);

    public Task<StorageSet> OpenAsync() => StorageSet.OpenAsync(Options, Time, Ids, Errors.Enqueue, TestContext.Current.CancellationToken);

    public void Dispose() => Directory.Delete(_path, recursive: true);
}

/// <summary>Ids 1, 2, 3….</summary>
internal sealed class CountingIds : IIdSource
{
    private long _last;

    public static Guid Id(long number) => Guid.Parse(string.Create(CultureInfo.InvariantCulture, $"01900000-0000-7000-8000-{number:D12}"));

    public Guid NewId() => Id(Interlocked.Increment(ref _last));
}
