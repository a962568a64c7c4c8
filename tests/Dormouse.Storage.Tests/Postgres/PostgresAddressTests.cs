using Dormouse.Storage.Postgres;
using Npgsql;

namespace Dormouse.Storage.Tests.Postgres;

public sealed class PostgresAddressTests
{
    [Theory]
    [InlineData("postgres://u:p@db.example:5433/d", "db.example", 5433, "u", "p", "d", "postgres://u@db.example:5433/d")]
    [InlineData("postgresql://u@db.example/d", "db.example", 5432, "u", null, "d", "postgres://u@db.example:5432/d")]
    [InlineData("postgres://u:p%40s%2Fs@[::1]:5433/d%20e", "::1", 5433, "u", "p@s/s", "d e", "postgres://u@::1:5433/d e")]
    [InlineData("postgres://u@/d?host=/run/postgresql", "/run/postgresql", 5432, "u", null, "d", "postgres://u@/run/postgresql/d")]
    [InlineData("postgres://u@%2Frun%2Fpostgresql/d", "/run/postgresql", 5432, "u", null, "d", "postgres://u@/run/postgresql/d")]
    [InlineData("POSTGRES://u@h", "h", 5432, "u", null, "u", "postgres://u@h:5432/u")]
    public void An_address_is_read_as_libpq_reads_it_and_shown_without_its_password(string text, string host, int port, string user, string? password, string database, string shown)
    {
        var address = PostgresAddress.TryParse(text);

        var read = new NpgsqlConnectionStringBuilder(address!.ConnectionString);
        Assert.Equal((host, port, user, password, database), (read.Host, read.Port, read.Username, read.Password, read.Database));
        Assert.Equal(shown, address.ToString());
    }

    [Fact]
    public void Settings_of_the_connection_have_the_names_of_libpq_or_of_Npgsql()
    {
        var address = PostgresAddress.TryParse("postgres://u@h/d?sslmode=require&search_path=dormouse&connect_timeout=2&Command%20Timeout=3");

        var read = new NpgsqlConnectionStringBuilder(address!.ConnectionString);
        Assert.Equal((SslMode.Require, "dormouse", 2, 3), (read.SslMode, read.SearchPath, read.Timeout, read.CommandTimeout));
    }

    [Theory]
    [InlineData("mysql://u@h/d")]
    [InlineData("postgres:u@h/d")]
    [InlineData("postgres://u@h:port/d")]
    [InlineData("postgres://u@h/d?no_such_setting=1")]
    [InlineData("postgres://u@h/d?sslmode=perhaps")]
    [InlineData("postgres://u@h/d#fragment")]
    [InlineData("postgres://h")]
    public void What_is_no_address_is_refused(string text) => Assert.Null(PostgresAddress.TryParse(text));

    [Fact]
    public void Values_are_numbered_in_the_order_in_which_they_are_given()
    {
        Assert.Equal("SELECT $2, $1, $2", PostgresText.Numbered("SELECT $long_name, $long, $long_name", [("$long", 1), ("$long_name", 2)]));
        Assert.Throws<ArgumentException>(() => PostgresText.Numbered("SELECT $other", [("$long", 1)]));
    }
}
