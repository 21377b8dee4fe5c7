"""What luggage and cargo are made of, and how strongly each material attenuates X-rays.

Mass attenuation coefficients are those of NIST: J. H. Hubbell and S. M. Seltzer, Tables of X-Ray Mass Attenuation
Coefficients, NIST Standard Reference Database 126 (XCOM), https://physics.nist.gov/PhysRefData/XrayMassCoef/tab3.html.
Compounds and mixtures follow the mixture rule: mu/rho = sum over elements of mass fraction * (mu/rho).

    >>> round(mass_attenuation("water", 0.060), 3)
    0.206
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

#: Photon energies of the columns of MASS_ATTENUATION, MeV.
ENERGIES_MEV = (0.060, 0.100, 1.5, 2.0)

#: Element -> mu/rho in cm2/g at each of ENERGIES_MEV. In the order of atomic number.
MASS_ATTENUATION = MappingProxyType(
    {
        "H": (0.3260, 0.2944, 0.1027, 0.08769),
        "Li": (0.1438, 0.1289, 0.04476, 0.03830),
        "C": (0.1753, 0.1514, 0.05179, 0.04442),
        "N": (0.1817, 0.1529, 0.05180, 0.04450),
        "O": (0.1907, 0.1551, 0.05185, 0.04459),
        "F": (0.1920, 0.1496, 0.04915, 0.04228),
        "Na": (0.2268, 0.1585, 0.04968, 0.04282),
        "Mg": (0.2570, 0.1686, 0.05129, 0.04426),
        "Al": (0.2778, 0.1704, 0.05006, 0.04324),
        "Si": (0.3207, 0.1835, 0.05183, 0.04480),
        "P": (0.3494, 0.1865, 0.05039, 0.04358),
        "S": (0.4053, 0.2020, 0.05193, 0.04498),
        "Cl": (0.4395, 0.2050, 0.04994, 0.04328),
        "K": (0.5678, 0.2345, 0.05068, 0.04399),
        "Ca": (0.6578, 0.2571, 0.05207, 0.04524),
        "Cr": (0.9639, 0.3166, 0.04832, 0.04213),
        "Fe": (1.205, 0.3717, 0.04883, 0.04265),
        "Co": (1.314, 0.3949, 0.04810, 0.04204),
        "Ni": (1.512, 0.4440, 0.05015, 0.04387),
        "Cu": (1.593, 0.4584, 0.04803, 0.04205),
        "Zn": (1.760, 0.4973, 0.04834, 0.04235),
        "Br": (2.582, 0.6861, 0.04650, 0.04089),
        "Sn": (6.564, 1.676, 0.04638, 0.04112),
        # 100 keV lies above the K edge of lead (88.0 keV), so its ratio of low to high is below that of water.
        "Pb": (5.021, 5.549, 0.05222, 0.04606),
    }
)

#: Atomic numbers of the elements that calibrate the effective atomic number; lead is left out for its K edge.
ATOMIC_NUMBERS = MappingProxyType(
    {
        "C": 6, "N": 7, "O": 8, "F": 9, "Na": 11, "Mg": 12, "Al": 13, "Si": 14, "P": 15, "S": 16, "Cl": 17,
        "K": 19, "Ca": 20, "Cr": 24, "Fe": 26, "Co": 27, "Ni": 28, "Cu": 29, "Zn": 30, "Br": 35, "Sn": 50,
    }
)  # fmt: skip


@dataclass(frozen=True)
class Beam:
    """Two effective photon energies, MeV, each one of ENERGIES_MEV."""

    low_mev: float
    high_mev: float


#: A 160 kV dual-energy luggage scanner: front and filtered rear detector.
LUGGAGE_BEAM = Beam(0.060, 0.100)
#: An interlaced 4 / 6 MeV linear accelerator, at about a third of its end-point energies.
CARGO_BEAM = Beam(1.5, 2.0)


@dataclass(frozen=True)
class Material:
    """density in g/cm3, as packed (a folded shirt is mostly air); fractions: element -> mass fraction, sum 1."""

    density: float
    fractions: dict[str, float]


MATERIALS = MappingProxyType(
    {
        "water": Material(1.00, {"H": 0.112, "O": 0.888}),
        "polyethylene": Material(0.94, {"H": 0.144, "C": 0.856}),
        "polycarbonate": Material(1.20, {"H": 0.055, "C": 0.756, "O": 0.189}),
        "abs": Material(1.05, {"H": 0.081, "C": 0.853, "N": 0.066}),
        "pvc": Material(1.40, {"H": 0.048, "C": 0.384, "Cl": 0.568}),
        "polyester": Material(1.38, {"H": 0.042, "C": 0.625, "O": 0.333}),
        "cotton": Material(0.22, {"H": 0.062, "C": 0.445, "O": 0.493}),
        "paper": Material(0.75, {"H": 0.058, "C": 0.415, "O": 0.467, "Ca": 0.060}),
        "wood": Material(0.55, {"H": 0.062, "C": 0.490, "O": 0.448}),
        "leather": Material(0.90, {"H": 0.070, "C": 0.500, "N": 0.160, "O": 0.265, "Cr": 0.005}),
        "rubber": Material(1.15, {"H": 0.100, "C": 0.810, "O": 0.050, "S": 0.020, "Zn": 0.020}),
        "food": Material(0.80, {"H": 0.090, "C": 0.350, "N": 0.030, "O": 0.530}),
        "glass": Material(2.50, {"O": 0.460, "Na": 0.100, "Mg": 0.024, "Al": 0.010, "Si": 0.336, "Ca": 0.070}),
        "aluminium": Material(2.70, {"Al": 1.0}),
        "steel": Material(7.85, {"Fe": 0.985, "Cr": 0.010, "C": 0.005}),
        "stainless": Material(7.90, {"Fe": 0.710, "Cr": 0.180, "Ni": 0.110}),
        "copper": Material(8.96, {"Cu": 1.0}),
        "brass": Material(8.50, {"Cu": 0.630, "Zn": 0.370}),
        "zinc_alloy": Material(6.60, {"Zn": 0.960, "Al": 0.040}),
        "lead": Material(11.35, {"Pb": 1.0}),
        "solder": Material(7.40, {"Sn": 0.965, "Cu": 0.035}),
        # Glass-epoxy laminate with its copper planes and brominated flame retardant.
        "circuit_board": Material(
            2.00, {"H": 0.030, "C": 0.280, "O": 0.310, "Al": 0.040, "Si": 0.150, "Ca": 0.070, "Br": 0.030, "Cu": 0.090}
        ),
        # A pouch cell smeared out: oxide cathode on aluminium, graphite on copper, fluorinated electrolyte.
        "lithium_cell": Material(
            2.20,
            {
                "H": 0.030, "Li": 0.030, "C": 0.300, "O": 0.150, "F": 0.060, "Al": 0.110, "P": 0.020,
                "Co": 0.180, "Cu": 0.120,
            },
        ),
        "butane": Material(0.58, {"H": 0.174, "C": 0.826}),
        "naphtha": Material(0.75, {"H": 0.155, "C": 0.845}),
        "black_powder": Material(1.00, {"C": 0.150, "N": 0.104, "O": 0.356, "S": 0.100, "K": 0.290}),
        # Freight, at the density at which it is poured or stacked.
        "ceramic": Material(2.20, {"O": 0.490, "Na": 0.020, "Al": 0.130, "Si": 0.310, "K": 0.030, "Ca": 0.020}),
        "grain": Material(0.75, {"H": 0.067, "C": 0.390, "O": 0.543}),
        "cement": Material(
            1.30, {"O": 0.365, "Mg": 0.015, "Al": 0.030, "Si": 0.095, "S": 0.015, "Ca": 0.460, "Fe": 0.020}
        ),
        "coal": Material(0.85, {"H": 0.050, "C": 0.800, "N": 0.015, "O": 0.120, "S": 0.015}),
        "pellets": Material(0.58, {"H": 0.144, "C": 0.856}),
        # Cocaine hydrochloride (C17H22ClNO4), pressed into bricks.
        "pressed_powder": Material(1.10, {"H": 0.065, "C": 0.601, "N": 0.041, "O": 0.188, "Cl": 0.105}),
        # Trinitrotoluene (C7H5N3O6), cast.
        "explosive": Material(1.60, {"H": 0.022, "C": 0.370, "N": 0.185, "O": 0.423}),
    }
)  # fmt: skip


def mass_attenuation(material: str, energy_mev: float) -> float:
    """mu/rho of a material in cm2/g, by the mixture rule. energy_mev: one of ENERGIES_MEV, else ValueError."""
    column = ENERGIES_MEV.index(energy_mev)
    fractions = MATERIALS[material].fractions
    return sum(fraction * MASS_ATTENUATION[element][column] for element, fraction in fractions.items())


def linear_attenuation(material: str, energy_mev: float) -> float:
    """mu of a material in 1/cm, at its packed density. energy_mev: one of ENERGIES_MEV, else ValueError."""
    return mass_attenuation(material, energy_mev) * MATERIALS[material].density
