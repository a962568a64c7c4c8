namespace Dormouse.Client;

/// <summary>Turns the position of an upload, which may fall back after a break, into progress that only grows.</summary>
internal sealed class UploadPosition(IProgress<long>? progress)
{
    private long _position;
    private long _told;

    public void MoveTo(long position)
    {
        _position = position;
        Tell();
    }

    public void Advance(int bytes)
    {
        _position += bytes;
        Tell();
    }

    private void Tell()
    {
        if (_position > _told)
        {
            progress?.Report(_position - _told);
            _told = _position;
        }
    }
}
