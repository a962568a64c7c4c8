// The peer behind a plain reverse proxy. Arguments: upstream address, own address.
using Yarp.ReverseProxy.Configuration;

var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions());
builder.WebHost.UseUrls(args[1]);
builder.WebHost.ConfigureKestrel(o => o.Limits.MaxRequestBodySize = null);
builder.Logging.ClearProviders();
builder.Services.AddReverseProxy().LoadFromMemory(
    [new RouteConfig { RouteId = "all", ClusterId = "one", Match = new RouteMatch { Path = "{**path}" } }],
    [new ClusterConfig { ClusterId = "one", Destinations = new Dictionary<string, DestinationConfig> { ["one"] = new() { Address = args[0] } } }]);
var app = builder.Build();
app.MapReverseProxy();
app.Run();
