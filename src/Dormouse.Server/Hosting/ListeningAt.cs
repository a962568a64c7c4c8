using System.Buffers;
using System.Text.Json;
using Dormouse.Protocol.Control;

namespace Dormouse.Server.Hosting;

/// <summary>The addresses in use, in memory and in <c>&lt;data&gt;/server.json</c> while the server listens.</summary>
internal sealed class ListeningAt(string dataFolder)
{
    public const string FileName = "server.json";

    private volatile ServerAddresses? _addresses;

    /// <summary>Null before both ports listen.</summary>
    public ServerAddresses? Addresses => _addresses;

    public void Write(ServerAddresses addresses)
    {
        // Written aside and moved: a reader never sees half a file.
        var draft = Path.Combine(dataFolder, FileName + ".new");
        File.WriteAllBytes(draft, Text(addresses));
        File.Move(draft, Path.Combine(dataFolder, FileName), overwrite: true);
        _addresses = addresses;
    }

    /// <summary>What a serialiser would write, without the 30 ms that its first use takes while somebody waits for the port.</summary>
    internal static byte[] Text(ServerAddresses addresses)
    {
        var text = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(text))
        {
            writer.WriteStartObject();
            writer.WriteString("http", addresses.Http);
            writer.WriteString("grpc", addresses.Grpc);
            writer.WriteNumber("process_id", addresses.ProcessId);
            writer.WriteString("version", addresses.Version);
            writer.WriteEndObject();
        }

        return text.WrittenSpan.ToArray();
    }

    public void Remove() => File.Delete(Path.Combine(dataFolder, FileName));
}
