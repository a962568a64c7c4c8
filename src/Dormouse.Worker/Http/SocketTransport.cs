using Dormouse.Protocol.Transport;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Worker.Http;

/// <summary>Kestrel's socket transport with larger blocks of memory. The one public way to give it those is through a host's builder, and a worker has no host.</summary>
internal static class SocketTransport
{
    internal static void Add(IServiceCollection services)
    {
        services.AddSingleton<IMemoryPoolFactory<byte>, BlockFactory>();
        new ServicesOnly(services).UseSockets();
    }

    private sealed class BlockFactory : IMemoryPoolFactory<byte>
    {
        public System.Buffers.MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new LargeBlocks();
    }

    /// <summary>Takes the services that a part of a host wants, and is nothing else of a host.</summary>
    private sealed class ServicesOnly(IServiceCollection services) : IWebHostBuilder
    {
        public IWebHostBuilder ConfigureServices(Action<IServiceCollection> configureServices)
        {
            configureServices(services);
            return this;
        }

        public IWebHostBuilder ConfigureServices(Action<WebHostBuilderContext, IServiceCollection> configureServices) => throw None();

        public IWebHostBuilder ConfigureAppConfiguration(Action<WebHostBuilderContext, IConfigurationBuilder> configureDelegate) => throw None();

#pragma warning disable ASPDEPR008 // The builder's interface names the old host; none is ever made.
        public IWebHost Build() => throw None();
#pragma warning restore ASPDEPR008

        public string? GetSetting(string key) => null;

        public IWebHostBuilder UseSetting(string key, string? value) => throw None();

        private static NotSupportedException None() => new("A worker has no host.");
    }
}
