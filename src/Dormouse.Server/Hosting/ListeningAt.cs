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
        File.WriteAllBytes(draft, JsonSerializer.SerializeToUtf8Bytes(addresses, ControlJson.Default.ServerAddresses));
        File.Move(draft, Path.Combine(dataFolder, FileName), overwrite: true);
        _addresses = addresses;
    }

    public void Remove() => File.Delete(Path.Combine(dataFolder, FileName));
}
