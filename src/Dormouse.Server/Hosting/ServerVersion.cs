namespace Dormouse.Server.Hosting;

internal static class ServerVersion
{
    public static readonly string Text = typeof(ServerVersion).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";
}
