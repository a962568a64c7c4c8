using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Dormouse.Worker.Control;

namespace Dormouse.Worker.Engine;

/// <summary>
/// Names what an optimised file depends on: engine version, processor features and our recipe. The engine lays weights out for the processor
/// at hand, so a file made under another key may be wrong or slow here.
/// </summary>
internal static class EngineKey
{
    /// <summary>Raise it when the way of making or loading an optimised file changes.</summary>
    private const int Recipe = 1;

    private const int AuxiliaryHardware = 16;
    private const int AuxiliaryHardware2 = 26;

    /// <summary>Usable as a part of a file name, e.g. <c>ort1.31.1-x64-avx512-5d0c1b7e-r1</c>.</summary>
    internal static string Compute(string engineVersion)
    {
        var (name, bits) = Processor();
        return string.Create(CultureInfo.InvariantCulture, $"ort{engineVersion}-{name}-{Fold(bits):x8}-r{Recipe}");
    }

    // CPUID itself, not Avx512F.IsSupported: an ahead-of-time build with a portable instruction set answers "no" for everything above its baseline,
    // and both builds must give one key on one machine.
    private static (string Name, ulong[] Bits) Processor()
    {
        if (!X86Base.IsSupported)
        {
            return (RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant(),
                [Native.GetAuxiliaryValue(AuxiliaryHardware), Native.GetAuxiliaryValue(AuxiliaryHardware2)]);
        }

        const uint FusedMultiplyAdd = 1u << 12, SaveState = 1u << 27, Avx = 1u << 28, HalfFloat = 1u << 29;
        const uint Avx2 = 1u << 5, Avx512Foundation = 1u << 16;
        var basic = (uint)X86Base.CpuId(1, 0).Ecx & (FusedMultiplyAdd | SaveState | Avx | HalfFloat);
        var highest = X86Base.CpuId(0, 0).Eax;
        if (highest < 7)
        {
            return ("x64-sse", [basic]);
        }

        var extended = X86Base.CpuId(7, 0);
        var second = X86Base.CpuId(7, 1);
        var tier = ((uint)extended.Ebx & Avx512Foundation) != 0 ? "x64-avx512" : ((uint)extended.Ebx & Avx2) != 0 ? "x64-avx2" : "x64-sse";
        return (tier, [basic, (uint)extended.Ebx, (uint)extended.Ecx, (uint)extended.Edx, (uint)second.Eax]);
    }

    // FNV-1a: short, stable, and nothing here needs to be hard to forge.
    private static uint Fold(ulong[] words)
    {
        var hash = 2166136261u;
        foreach (var word in words)
        {
            for (var shift = 0; shift < 64; shift += 8)
            {
                hash = (hash ^ (byte)(word >> shift)) * 16777619u;
            }
        }

        return hash;
    }
}
