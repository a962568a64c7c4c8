using Dormouse.Cli.Connection;

namespace Dormouse.Cli.Tests.Connection;

public sealed class ServerLocationTests : IDisposable
{
    private readonly Shell _shell = new();

    private string Data => Path.Combine(_shell.Folder, ".local/share/dormouse");

    [Fact]
    public void Without_anything_it_is_the_default_address_and_no_key()
    {
        var found = Find();

        Assert.Equal(ServerLocation.DefaultAddress, found.Address);
        Assert.Null(found.Key);
    }

    [Fact]
    public void The_local_servers_files_are_used()
    {
        _shell.Write(".local/share/dormouse/server.json", """{"http":"http://127.0.0.1:4711","grpc":"http://127.0.0.1:4712","process_id":1,"version":"1"}""");
        _shell.Write(".local/share/dormouse/admin-key", "dm_local\n");

        var found = Find();

        Assert.Equal(4711, found.Address.Port);
        Assert.Equal("dm_local", found.Key);
        Assert.Equal(Path.Combine(Data, "admin-key"), found.KeyFrom);
    }

    [Fact]
    public void The_environment_goes_before_files_and_options_before_both()
    {
        _shell.Write(".local/share/dormouse/admin-key", "dm_local");
        _shell.Environment["DORMOUSE_SERVER"] = "http://127.0.0.1:1";
        _shell.Environment["DORMOUSE_API_KEY"] = "dm_variable";

        Assert.Equal((1, "dm_variable"), (Find().Address.Port, Find().Key));
        Assert.Equal((2, "dm_option"), (Find("127.0.0.1:2", "dm_option").Address.Port, Find("127.0.0.1:2", "dm_option").Key));
    }

    [Fact]
    public void The_administrators_key_never_goes_to_another_machine()
    {
        _shell.Write(".local/share/dormouse/admin-key", "dm_local");

        Assert.Null(Find("https://example.org").Key);
        Assert.Equal("dm_local", Find("http://localhost:9").Key);
    }

    [Theory]
    [InlineData("DORMOUSE_DATA", "/srv/d", "/srv/d")]
    [InlineData("XDG_DATA_HOME", "/srv/share", "/srv/share/dormouse")]
    [InlineData("XDG_DATA_HOME", "relative", null)]
    public void The_data_folder_follows_the_environment(string variable, string value, string? expected)
    {
        _shell.Environment[variable] = value;

        Assert.Equal(expected ?? Data, DataFolder.Default(_shell.Surroundings(TextWriter.Null, TextWriter.Null, Stream.Null)));
    }

    [Fact]
    public void A_half_written_address_file_is_as_none()
    {
        _shell.Write(".local/share/dormouse/server.json", """{"http":"htt""");

        Assert.Equal(ServerLocation.DefaultAddress, Find().Address);
    }

    public void Dispose() => _shell.Dispose();

    private ServerLocation Find(string? server = null, string? key = null) =>
        ServerLocation.Find(_shell.Surroundings(TextWriter.Null, TextWriter.Null, Stream.Null), server, key);
}
