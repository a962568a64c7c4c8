namespace Dormouse.Core;

/// <summary>Draws identities. The real one makes UUIDv7 from the wall clock; tests count.</summary>
public interface IIdSource
{
    /// <summary>A new UUIDv7; later ones sort after earlier ones to the millisecond.</summary>
    Guid NewId();
}
