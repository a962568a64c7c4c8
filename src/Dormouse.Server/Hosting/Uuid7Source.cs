using Dormouse.Core;

namespace Dormouse.Server.Hosting;

/// <summary>The real source of identities: UUIDv7 of the wall clock.</summary>
internal sealed class Uuid7Source(TimeProvider time) : IIdSource
{
    public Guid NewId() => Guid.CreateVersion7(time.GetUtcNow());
}
