using Dormouse.Server.Hosting;
using Dormouse.Server.Hosting.Settings;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Tests.Hosting;

public sealed class SettingsTests
{
    [Fact]
    public void Defaults_serve_loopback_with_grpc_on_the_next_port()
    {
        var settings = Load(new ServerOptions { DataFolder = "/nowhere" }, []);

        Assert.Equal(("http://127.0.0.1:8080", "http://127.0.0.1:8081"), (settings.Server.Listen.ToString(), settings.Server.GrpcListen.ToString()));
        Assert.Equal((16_666_700L, "USD"), (settings.Prices.Book.OnDemandPicoPerGibSecond, settings.Prices.Book.Currency));
        Assert.Null(settings.Telemetry.OtlpEndpoint);
    }

    [Fact]
    public void The_environment_goes_over_the_file_and_the_command_line_over_both()
    {
        var settings = WithFile(
            """
            server:
              listen: http://127.0.0.1:9000
              body_limit: 1MiB
            workers:
              pool_size: 5
            prices: {currency: EUR, gb_second: "0.00002"}
            logging:
            """,
            new Dictionary<string, string> { ["DORMOUSE_WORKERS__POOL_SIZE"] = "7", ["DORMOUSE_Server__Listen"] = "http://127.0.0.1:9100" },
            options => options with { Listen = "http://127.0.0.1:0" });

        Assert.Equal((0, 0), (settings.Server.Listen.Port, settings.Server.GrpcListen.Port));
        Assert.Equal((7, 1L << 20), (settings.Workers.PoolSize, settings.Server.BodyLimitBytes));
        Assert.Equal(("EUR", 20_000_000L), (settings.Prices.Book.Currency, settings.Prices.Book.OnDemandPicoPerGibSecond));
        Assert.Equal((5_000_000L, 11_666_666L), (settings.Prices.Book.ProvisionedPicoPerGibSecond, settings.Prices.Book.ProvisionedRunPicoPerGibSecond));
    }

    [Fact]
    public void Provisioned_capacity_has_prices_of_its_own()
    {
        var book = WithFile("prices: {provisioned_gb_second: \"0.000004\", provisioned_run_gb_second: 0}", [], options => options).Prices.Book;

        Assert.Equal((4_000_000L, 0L, 16_666_700L), (book.ProvisionedPicoPerGibSecond, book.ProvisionedRunPicoPerGibSecond, book.OnDemandPicoPerGibSecond));
    }

    [Fact]
    public void Every_fault_is_named_at_once_with_key_place_value_and_what_is_allowed()
    {
        var fault = Assert.Throws<ServerStartException>(() => WithFile(
            """
            server:
              listen: ftp://127.0.0.1:9000
              body_limit: lots
            workers:
              pool_size: 1000
              pool_sise: 3
            prices: {gb_second: -1, currency: dollars}
            """,
            new Dictionary<string, string> { ["DORMOUSE_VERIFY__TIME_LIMIT"] = "0s", ["DORMOUSE_LOGGING__LEVEL"] = "loud" }));

        Assert.Equal(ServerStartFailure.Settings, fault.Failure);
        Assert.StartsWith("8 settings are not valid:", fault.Message, StringComparison.Ordinal);
        Assert.All(
            [
                "server.listen (server.yaml line 2) is 'ftp://127.0.0.1:9000'; allowed is http://HOST:PORT",
                "server.body_limit (server.yaml line 3) is 'lots'",
                "workers.pool_size (server.yaml line 5) is '1000'; allowed is a whole number from 0 to 64.",
                "workers.pool_sise (server.yaml line 6) is not a setting. Did you mean workers.pool_size?",
                "prices.gb_second (server.yaml line 7) is '-1'",
                "prices.currency (server.yaml line 7) is 'dollars'",
                "verify.time_limit (the environment) is '0s'; allowed is a duration from 1s to",
                "logging.level (the environment) is 'loud'; allowed is one of debug, information, warning, error.",
            ],
            part => Assert.Contains(part, fault.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("server: [1, 2]", "section")]
    [InlineData("just text", "mapping of sections")]
    [InlineData("server: {listen: {a: b}}", "server.listen is a mapping; one plain value")]
    [InlineData("server: {listen: ", "not valid YAML")]
    public void A_file_that_is_no_settings_file_is_refused(string text, string reason)
    {
        var fault = Assert.Throws<ServerStartException>(() => WithFile(text, []));

        Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
        Assert.Contains("server.yaml", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_settings_file_that_was_named_must_be_there()
    {
        var fault = Assert.Throws<ServerStartException>(() => Load(new ServerOptions { DataFolder = "/nowhere", ConfigFile = "/nowhere/at/all.yaml" }, []));

        Assert.Contains("/nowhere/at/all.yaml", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Both_protocols_cannot_share_a_port()
    {
        var fault = Assert.Throws<ServerStartException>(
            () => Load(new ServerOptions { DataFolder = "/nowhere", Listen = "http://127.0.0.1:9000", GrpcListen = "http://127.0.0.1:9000" }, []));

        Assert.Contains("server.grpc_listen", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://127.0.0.1:9000", null, "server.listen is 'https://127.0.0.1:9000', which needs a certificate")]
    [InlineData("http://127.0.0.1:9000", "https://127.0.0.1:9001", "server.grpc_listen is 'https://127.0.0.1:9001', which needs a certificate")]
    [InlineData("https://127.0.0.1:9000", "http://127.0.0.1:9000", "the same as server.listen")]
    [InlineData("http://127.0.0.1:9000", "https://127.0.0.1:9000", "the same as server.listen")]
    public void Addresses_with_tls_that_do_not_fit_are_refused(string listen, string? grpc, string reason)
    {
        var fault = Assert.Throws<ServerStartException>(() => Load(new ServerOptions { DataFolder = "/nowhere", Listen = listen, GrpcListen = grpc }, []));

        Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("server.tls_certificate", "DORMOUSE_SERVER__TLS_CERTIFICATE")]
    [InlineData("server.tls_key", "DORMOUSE_SERVER__TLS_KEY")]
    public void A_certificate_that_nothing_shows_is_refused(string key, string variable)
    {
        var fault = Assert.Throws<ServerStartException>(() => Load(new ServerOptions { DataFolder = "/nowhere" }, new() { [variable] = "/etc/tls/server.pem" }));

        Assert.Contains($"{key} is given, and nothing listens with TLS", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("short")]
    [InlineData("dm_aaaaaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")]
    public void The_administrators_key_is_taken_from_the_environment(string key) =>
        Assert.Equal(key, Load(new ServerOptions { DataFolder = "/nowhere" }, new() { ["DORMOUSE_ADMIN_KEY"] = key }).AdminKey);

    [Theory]
    [InlineData("with blank")]
    [InlineData("with\ttab")]
    [InlineData("ümlaut")]
    public void An_administrators_key_that_no_header_can_carry_is_refused(string key)
    {
        Assert.Throws<ServerStartException>(() => Load(new ServerOptions { DataFolder = "/nowhere" }, new() { ["DORMOUSE_ADMIN_KEY"] = key }));
    }

    [Theory]
    [InlineData("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1")]
    [InlineData("127.0.0.1:0", "http://127.0.0.1:0", "127.0.0.1")]
    [InlineData("http://localhost:80/", "http://localhost:80", "localhost")]
    [InlineData("http://*:80", "http://0.0.0.0:80", "127.0.0.1")]
    [InlineData("http://[::1]:80", "http://[::1]:80", "[::1]")]
    [InlineData("http://[::]:80", "http://[::]:80", "[::1]")]
    [InlineData("HTTPS://*:443", "https://0.0.0.0:443", "127.0.0.1")]
    public void An_address_to_listen_on_is_read(string text, string shown, string callable)
    {
        var address = ListenAddress.Parse(text);

        Assert.Equal((shown, callable), (address!.ToString(), address.CallableHost));
    }

    [Theory]
    [InlineData("")]
    [InlineData("8080")]
    [InlineData("ftp://127.0.0.1:8080")]
    [InlineData("http://127.0.0.1")]
    [InlineData("http://127.0.0.1:99999")]
    [InlineData("http://127.0.0.1:-1")]
    [InlineData("http://example.org:80")]
    [InlineData("http://::1:80")]
    [InlineData("http://127.0.0.1:80/path")]
    public void An_address_that_cannot_be_listened_on_is_refused(string text) => Assert.Null(ListenAddress.Parse(text));

    [Theory]
    [InlineData("/data/share", "/home/me", "/data/share/dormouse")]
    [InlineData("relative", "/home/me", "/home/me/.local/share/dormouse")]
    [InlineData(null, "/home/me", "/home/me/.local/share/dormouse")]
    public void The_data_folder_follows_the_desktop_rule(string? share, string home, string folder)
    {
        var environment = new Dictionary<string, string> { ["HOME"] = home };
        if (share is not null)
        {
            environment["XDG_DATA_HOME"] = share;
        }

        Assert.Equal(folder, ServerOptions.DefaultDataFolder(environment));
    }

    [Theory]
    [InlineData("debug", LogLevel.Debug)]
    [InlineData("WARNING", LogLevel.Warning)]
    public void The_log_level_is_a_word(string word, LogLevel level) =>
        Assert.Equal(level, Load(new ServerOptions { DataFolder = "/nowhere" }, new() { ["DORMOUSE_LOGGING__LEVEL"] = word }).Logging.Level);

    private static ServerSettings Load(ServerOptions options, Dictionary<string, string> environment) => ServerSettings.Load(options, environment);

    private static ServerSettings WithFile(string yaml, Dictionary<string, string> environment, Func<ServerOptions, ServerOptions>? change = null)
    {
        var folder = Directory.CreateTempSubdirectory("dormouse-settings-");
        try
        {
            File.WriteAllText(Path.Combine(folder.FullName, "server.yaml"), yaml);
            var options = new ServerOptions { DataFolder = folder.FullName };
            return Load(change?.Invoke(options) ?? options, environment);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
