using System.Collections.Concurrent;
using System.Text;
using Dormouse.Core.Instances;
using Dormouse.Core.Secrets;

namespace Dormouse.Server.Secrets;

/// <summary>Keeps the secrets of instances out of what they write, from their start until nothing of them is left.</summary>
internal sealed class InstanceMasks
{
    /// <summary>Lines of so many bytes were cut by the launcher, which passes on 4,096 of a line less a character that the cut went through.</summary>
    private const int CutBytes = 4093;

    private readonly ConcurrentDictionary<InstanceId, LineMask> _masks = new();

    public void Begin(InstanceId instance, InstanceSecrets secrets)
    {
        if (secrets.Mask is { } mask)
        {
            _masks[instance] = new LineMask(mask);
        }
    }

    public void End(InstanceId instance) => _masks.TryRemove(instance, out _);

    /// <summary>A line of the instance without its secrets. Lines of one instance come in order, one at a time.</summary>
    public string Apply(InstanceId instance, string line) => _masks.TryGetValue(instance, out var mask) ? mask.Apply(line) : line;

    private sealed class LineMask(SecretMask mask)
    {
        private bool _wasCut;

        public string Apply(string line)
        {
            var isCut = line.Length * 3 >= CutBytes && Encoding.UTF8.GetByteCount(line) >= CutBytes;
            var masked = mask.Apply(line, beginsCut: _wasCut, endsCut: isCut);
            _wasCut = isCut;
            return masked;
        }
    }
}
