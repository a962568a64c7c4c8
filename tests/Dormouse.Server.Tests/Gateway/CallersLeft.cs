using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;

namespace Dormouse.Server.Tests.Gateway;

/// <summary>Counts the callers whose leaving the server has noticed.</summary>
internal sealed class CallersLeft : IStartupFilter
{
    private int _count;
    private int _begun;
    private int _ended;

    public int Count => Volatile.Read(ref _count);

    /// <summary>Requests that have begun.</summary>
    public int Begun => Volatile.Read(ref _begun);

    /// <summary>Requests that have ended.</summary>
    public int Ended => Volatile.Read(ref _ended);

    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use(async (context, rest) =>
        {
            Interlocked.Increment(ref _begun);
            using var left = context.RequestAborted.Register(() => Interlocked.Increment(ref _count));
            try
            {
                await rest(context);
            }
            finally
            {
                Interlocked.Increment(ref _ended);
            }
        });
        next(app);
    };
}
