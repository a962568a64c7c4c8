using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Prefetch;

/// <summary>Records of starts on disk. One that is lost or broken costs one start that is recorded anew.</summary>
internal sealed partial class StartRecords(ILogger<StartRecords> logger)
{
    /// <summary>A larger file is none of ours.</summary>
    private const long BytesMax = 16 << 20;

    /// <summary>Null when there is none. One that cannot be used is removed, with a word in the log.</summary>
    public StartRecord? Read(string path)
    {
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists)
            {
                return null;
            }

            var record = file.Length > BytesMax ? null : JsonSerializer.Deserialize(File.ReadAllBytes(path), StartRecordJson.Default.StartRecord);
            if (record is { Fault: null })
            {
                return record;
            }

            Drop(path, record?.Fault ?? "it is no record");
        }
        catch (JsonException e)
        {
            Drop(path, e.Message);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogUnread(Path.GetFileName(path), e.Message);
        }

        return null;
    }

    /// <summary>Writes it whole or not at all. Not flushed: after a power cut it is recorded anew.</summary>
    /// <exception cref="IOException">The disk is full, or the folder of the packages is gone.</exception>
    public static void Write(string path, StartRecord record)
    {
        var part = path + ".part";
        File.WriteAllBytes(part, JsonSerializer.SerializeToUtf8Bytes(record, StartRecordJson.Default.StartRecord));
        File.Move(part, path, overwrite: true);
    }

    /// <summary>Removes one that is of no use; the next start is recorded.</summary>
    public void Drop(string path, string reason)
    {
        LogDropped(Path.GetFileName(path), reason);
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogUnread(Path.GetFileName(path), e.Message);
        }
    }

    [LoggerMessage(EventId = 2301, EventName = "StartRecordDropped", Level = LogLevel.Warning, Message = "The record {Record} of files that a start reads is of no use and is removed ({Reason}); the next start is recorded anew")]
    private partial void LogDropped(string record, string reason);

    [LoggerMessage(EventId = 2302, EventName = "StartRecordUnread", Level = LogLevel.Warning, Message = "The record {Record} of files that a start reads cannot be read or removed ({Reason}); its files are not read ahead")]
    private partial void LogUnread(string record, string reason);
}
