! Comptonisation in a sphere of hot electrons around a source of soft photons, by Monte Carlo.
!
!     gfortran -O2 $(mcplugin config --fortran) comptonise.f90 -o comptonise \
!         $(mcplugin config --libs)
!     ./comptonise [SAMPLER [INPUT]]            as in  ./comptonise gan comptonise.nml
!
! A code as many groups have one: vectors in three dimensions, a few thousand photons in flight, its
! own random numbers, Klein-Nishina by rejection. SAMPLER says who makes its scatterings:
!
!     own                                        the code alone, electrons by its own rejection
!     gan, gan-exact, rejection, torch:cpu ...   the code, off electrons from libmcplugin
!     gan-event, exact-event                     libmcplugin: see scatter_photons
!
! What had to be changed for that is marked with (*).
!
! Lengths are in Thomson mean free paths, energies x in m_e c**2, four-velocities u = gamma*beta.
! INPUT is a namelist; the spectrum goes to the text file 'output' in it.
program comptonise
    use, intrinsic :: iso_fortran_env, only: error_unit, int64, real64
    use mcplugin, only: electron_sampler, mcp_ok, random_stream, seed_stream ! (*)
    implicit none

    real(real64), parameter :: kev = 1 / 510.99895069_real64  ! in m_e c**2
    real(real64), parameter :: pi = acos(-1.0_real64)

    ! Input, with defaults.
    real(real64) :: kt_kev = 102.2_real64, tau = 1, seed_kev = 0.1_real64
    real(real64) :: energy_min_kev = 0.01_real64, energy_max_kev = 2000
    character(len=16) :: seed_spectrum = 'blackbody'
    character(len=256) :: output = 'spectrum.txt'
    integer(int64) :: photons = 1000000, seed = 1
    integer :: bins = 60, batch = 4096
    namelist /source/ kt_kev, tau, seed_spectrum, seed_kev, photons, seed, &
        energy_min_kev, energy_max_kev, bins, batch, output

    ! Random numbers of this code.
    integer(int64) :: random_state(6)

    ! Who makes the scatterings.
    character(len=256) :: sampler_name = 'own'
    type(electron_sampler) :: sampler ! (*)
    type(random_stream) :: stream ! (*)
    logical :: whole_events = .false. ! (*) the sampler scatters photons and gives no electrons
    real(real64) :: theta

    ! Electrons: a reservoir that one call refills.
    real(real64), allocatable :: reservoir(:)
    integer :: electrons_left = 0

    ! Photons in flight: energies at birth and now, positions and directions.
    real(real64), allocatable :: x_seed(:), x(:), position(:, :), direction(:, :)
    real(real64), allocatable :: x_out(:), cosine(:) ! (*)
    integer :: in_flight = 0

    ! Cross-section averaged over the electrons, over Thomson's, at evenly spaced ln x.
    integer, parameter :: nodes = 400
    real(real64), parameter :: log_x_first = log(1e-8_real64), log_x_step = log(1e11_real64) / nodes
    real(real64) :: hot_cross_section(0:nodes)

    ! What escapes: photons, energy and squared energy per bin, and sums over all photons.
    integer(int64), allocatable :: counts(:)
    real(real64), allocatable :: energy(:), squares(:)
    real(real64) :: born = 0, escaped = 0, escaped_squares = 0, born_squares = 0, born_escaped = 0
    integer(int64) :: scatterings = 0

    integer(int64) :: unborn, started, stopped, ticks_per_second, ticks_of_scatterings = 0
    real(real64) :: x_lo, x_hi
    integer :: status

    call read_input()
    theta = kt_kev * kev
    if (sampler_name /= 'own') then
        call sampler%create(sampler_name) ! (*)
        call seed_stream(stream, seed, number=0_int64) ! (*)
        call sampler%photon_range(x_lo, x_hi, status) ! (*)
        whole_events = status == mcp_ok ! samplers of electrons have no range of photons
    end if
    call seed_random_numbers(seed)
    call tabulate_cross_section()
    allocate (reservoir(batch), counts(bins), energy(bins), squares(bins))
    allocate (x_seed(batch), x(batch), position(3, batch), direction(3, batch))
    allocate (x_out(batch), cosine(batch)) ! (*)
    counts = 0
    energy = 0
    squares = 0

    call system_clock(started, ticks_per_second)
    unborn = photons
    do while (in_flight > 0 .or. unborn > 0)
        call give_birth()
        call fly()
        call scatter_photons()
    end do
    call system_clock(stopped)

    call write_spectrum()
    call print_summary(real(stopped - started, real64) / real(ticks_per_second, real64))
    call sampler%destroy() ! (*)

contains

    ! ---- Electrons ------------------------------------------------------------------------------

    ! The next electron of the reservoir.
    !
    ! A library draws many electrons at once much faster than one by one. A code that needs them one
    ! by one asks for a few thousand, hands them out in order, and asks again when they are used up.
    real(real64) function next_electron() result(u)
        if (electrons_left == 0) then
            if (sampler_name == 'own') then
                call own_electrons(reservoir)
            else
                call sampler%sample(stream, theta, reservoir) ! (*)
            end if
            electrons_left = batch
        end if
        u = reservoir(electrons_left)
        electrons_left = electrons_left - 1
    end function next_electron

    ! Exact rejection (Canfield, Howard & Liang 1987, ApJ 323, 565). With t = (gamma - 1)/theta and
    ! y = theta*t the density is t**0.5 (1 + y) sqrt(1 + y/2) exp(-t); since sqrt(1 + y/2) is at
    ! most 1 + sqrt(y/2), t is proposed from gamma distributions of shape 3/2, 2, 5/2 and 3.
    subroutine own_electrons(u)
        real(real64), intent(out) :: u(:)
        real(real64) :: upto(4), choice, product, azimuth, t, y
        integer :: k

        ! Integrals of the four terms of the envelope, summed up.
        upto(1) = sqrt(pi) / 2
        upto(2) = upto(1) + sqrt(theta / 2)
        upto(3) = upto(2) + 0.75_real64 * sqrt(pi) * theta
        upto(4) = upto(3) + sqrt(2.0_real64) * theta**1.5_real64
        do k = 1, size(u)
            do
                ! A gamma variate adds exponentials and, for a half-integer shape, a normal squared.
                choice = uniform() * upto(4)
                product = uniform()
                if (choice >= upto(1)) product = product * uniform()
                if (choice >= upto(3)) product = product * uniform()
                t = -log(product)
                if (choice < upto(1) .or. (choice >= upto(2) .and. choice < upto(3))) then
                    azimuth = 2 * pi * uniform()
                    t = t - log(uniform()) * cos(azimuth)**2
                end if
                y = theta * t
                if (uniform() * (1 + sqrt(y / 2)) < sqrt(1 + y / 2)) exit
            end do
            u(k) = sqrt(y * (y + 2))
        end do
    end subroutine own_electrons

    ! ---- A photon's life ------------------------------------------------------------------------

    ! Photons from the centre of the sphere take the places of those that have left.
    subroutine give_birth()
        real(real64) :: cosine_to_z

        do while (in_flight < batch .and. unborn > 0)
            in_flight = in_flight + 1
            unborn = unborn - 1
            x_seed(in_flight) = seed_kev * kev
            if (seed_spectrum == 'blackbody') x_seed(in_flight) = planck_energy() * seed_kev * kev
            x(in_flight) = x_seed(in_flight)
            position(:, in_flight) = 0
            cosine_to_z = 2 * uniform() - 1
            direction(:, in_flight) = turned([0.0_real64, 0.0_real64, 1.0_real64], cosine_to_z)
        end do
    end subroutine give_birth

    ! Let photons go on to where they meet an electron. Count those that have left the sphere; the
    ! others close up.
    subroutine fly()
        real(real64) :: length
        integer :: i, inside

        inside = 0
        do i = 1, in_flight
            length = -log(uniform()) / cross_section(x(i))
            position(:, i) = position(:, i) + length * direction(:, i)
            if (dot_product(position(:, i), position(:, i)) > tau**2) then
                call count_photon(x(i), x_seed(i))
            else
                inside = inside + 1
                x_seed(inside) = x_seed(i)
                x(inside) = x(i)
                position(:, inside) = position(:, i)
                direction(:, inside) = direction(:, i)
            end if
        end do
        in_flight = inside
    end subroutine fly

    ! Scatter the photons in flight: each by the procedures below, or all by one call (*).
    !
    ! The library's events show no electron: the photon's energy and deflection are drawn from their
    ! own law among electrons of this temperature. Only the azimuth is left to us.
    subroutine scatter_photons()
        integer(int64) :: before, after
        integer :: i

        call system_clock(before)
        if (whole_events) then
            call sampler%scatter(stream, x(:in_flight), theta, x_out(:in_flight), &
                cosine(:in_flight))
            do i = 1, in_flight
                x(i) = x_out(i)
                direction(:, i) = turned(direction(:, i), cosine(i))
            end do
        else
            do i = 1, in_flight
                call scatter(x(i), direction(:, i))
            end do
        end if
        call system_clock(after)
        ticks_of_scatterings = ticks_of_scatterings + (after - before)
        scatterings = scatterings + in_flight
    end subroutine scatter_photons

    ! Meet electrons until one scatters the photon.
    !
    ! The angle to the electron follows (1 - beta*mu)/2, so the square of the Doppler factor
    ! D = gamma - u*mu is uniform; the pair interacts with probability sigma_KN(x*D)/sigma_Thomson,
    ! else the next electron is tried (Pozdnyakov, Sobol & Sunyaev 1983).
    subroutine scatter(x, direction)
        real(real64), intent(inout) :: x, direction(3)
        real(real64) :: u, gamma, eta, doppler, least_doppler, four_velocity(3)

        do
            u = next_electron()
            gamma = sqrt(1 + u**2)
            eta = uniform()
            least_doppler = 1 / (gamma + u)
            doppler = sqrt(least_doppler**2 + 4 * gamma * u * eta)
            if (uniform() < klein_nishina(x * doppler)) exit
        end do
        ! mu = (gamma - doppler)/u without loss of digits
        four_velocity = u * turned(direction, 1 - 4 * gamma * eta / (doppler + least_doppler))
        call boost(x, direction, four_velocity)
        call deflect(x, direction)
        call boost(x, direction, -four_velocity)
    end subroutine scatter

    ! Photon as seen by an observer of the given four-velocity.
    subroutine boost(x, direction, four_velocity)
        real(real64), intent(inout) :: x, direction(3)
        real(real64), intent(in) :: four_velocity(3)
        real(real64) :: gamma, along

        gamma = sqrt(1 + dot_product(four_velocity, four_velocity))
        along = dot_product(direction, four_velocity)
        x = x * (gamma - along)
        direction = direction + (along / (1 + gamma) - 1) * four_velocity
        direction = direction / norm2(direction)
    end subroutine boost

    ! Klein-Nishina scattering off an electron at rest (Kahn 1954, AECU-3259, p. 64).
    subroutine deflect(x, direction)
        real(real64), intent(inout) :: x, direction(3)
        real(real64) :: random, w, ratio  ! w = 1 - cosine, ratio = incoming over scattered energy

        do
            random = uniform()
            if (uniform() * (9 + 2 * x) <= 1 + 2 * x) then
                w = 2 * random
                ratio = 1 + x * w
                if (uniform() * ratio**2 <= 4 * x * w) exit
            else
                w = 2 * (1 - random) / (1 + 2 * x * random)
                ratio = 1 + x * w
                if (2 * uniform() <= (1 - w)**2 + 1 / ratio) exit
            end if
        end do
        x = x / ratio
        direction = turned(direction, 1 - w)
    end subroutine deflect

    ! A direction at the given cosine to another one, in a random azimuth.
    function turned(direction, cosine) result(other)
        real(real64), intent(in) :: direction(3), cosine
        real(real64) :: other(3), first(3), second(3), azimuth, sine

        ! Two unit vectors across the direction, from whichever axis is well away from it.
        if (abs(direction(3)) < 0.7_real64) then
            first = [direction(2), -direction(1), 0.0_real64]
        else
            first = [0.0_real64, direction(3), -direction(2)]
        end if
        first = first / norm2(first)
        second = [direction(2) * first(3) - direction(3) * first(2), &
            direction(3) * first(1) - direction(1) * first(3), &
            direction(1) * first(2) - direction(2) * first(1)]
        azimuth = 2 * pi * uniform()
        sine = sqrt(max(1 - cosine**2, 0.0_real64))
        other = cosine * direction + sine * (cos(azimuth) * first + sin(azimuth) * second)
    end function turned

    ! ---- Cross-sections -------------------------------------------------------------------------

    ! Total cross-section over Thomson's; a series where the closed form cancels.
    elemental real(real64) function klein_nishina(x) result(sigma)
        real(real64), intent(in) :: x
        real(real64) :: y, logarithm

        if (x < 0.01_real64) then
            sigma = 1 - x * (2 - x * (5.2_real64 - x * (13.3_real64 - x * 32.6857_real64)))
        else
            y = 1 + 2 * x
            logarithm = log(y)
            sigma = 0.75_real64 * ((1 + x) / x**3 * (2 * x * (1 + x) / y - logarithm) &
                + logarithm / (2 * x) - (1 + 3 * x) / y**2)
        end if
    end function klein_nishina

    ! Average the cross-section over the electrons' energies and angles: over the rapidity
    ! w = asinh(u) by midpoints, and over ln D from -w to w by Simpson's rule.
    subroutine tabulate_cross_section()
        integer, parameter :: rapidities = 48, dopplers = 64
        real(real64), dimension(0:dopplers, rapidities) :: doppler, weight
        real(real64) :: w, w_last, electrons
        integer :: j, k, m

        w_last = 2 * asinh(sqrt(20 * theta))  ! where exp(-(gamma - 1)/theta) = exp(-40)
        do k = 1, rapidities
            w = w_last * (k - 0.5_real64) / rapidities
            electrons = cosh(w) * sinh(w)**2 * exp(-2 * sinh(w / 2)**2 / theta)
            do m = 0, dopplers
                doppler(m, k) = exp(w * (2.0_real64 * m / dopplers - 1))
                weight(m, k) = electrons * w / sinh(2 * w) * doppler(m, k)**2
            end do
        end do
        weight(1:dopplers - 1:2, :) = 4 * weight(1:dopplers - 1:2, :)
        weight(2:dopplers - 2:2, :) = 2 * weight(2:dopplers - 2:2, :)
        weight = weight / sum(weight)
        do j = 0, nodes
            hot_cross_section(j) = &
                sum(weight * klein_nishina(exp(log_x_first + j * log_x_step) * doppler))
        end do
    end subroutine tabulate_cross_section

    ! Look-up, linear in ln x.
    real(real64) function cross_section(x) result(sigma)
        real(real64), intent(in) :: x
        real(real64) :: place
        integer :: j

        place = min(max((log(x) - log_x_first) / log_x_step, 0.0_real64), real(nodes, real64))
        j = min(int(place), nodes - 1)
        place = place - j
        sigma = (1 - place) * hot_cross_section(j) + place * hot_cross_section(j + 1)
    end function cross_section

    ! ---- Random numbers -------------------------------------------------------------------------

    ! Uniform on (0, 1): MRG32k3a (L'Ecuyer 1999, Oper. Res. 47, 159). At most one call a statement,
    ! since a compiler may evaluate functions in any order, or only one of two calls.
    real(real64) function uniform()
        integer(int64), parameter :: m1 = 4294967087_int64, m2 = 4294944443_int64
        integer(int64) :: p1, p2

        p1 = modulo(1403580 * random_state(2) - 810728 * random_state(1), m1)
        random_state(1:3) = [random_state(2:3), p1]
        p2 = modulo(527612 * random_state(6) - 1370589 * random_state(4), m2)
        random_state(4:6) = [random_state(5:6), p2]
        uniform = real(modulo(p1 - p2 - 1, m1) + 1, real64) / real(m1 + 1, real64)
    end function uniform

    subroutine seed_random_numbers(number)
        integer(int64), intent(in) :: number
        real(real64) :: forgotten
        integer :: k

        random_state = 12345 + modulo(number, 2_int64**31)
        do k = 1, 100  ! neighbouring seeds begin alike
            forgotten = uniform()
        end do
    end subroutine seed_random_numbers

    ! Energy/kT of a black body's photon: Planck's law is a sum over k of gamma distributions of
    ! shape 3 and scale 1/k, with weights 1/k**3.
    real(real64) function planck_energy() result(energy_over_kt)
        real(real64), parameter :: zeta_3 = 1.2020569031595943_real64
        real(real64) :: sum_to_k, target, product
        integer :: k

        target = zeta_3 * uniform()
        sum_to_k = 1
        k = 1
        do while (sum_to_k < target)
            k = k + 1
            sum_to_k = sum_to_k + real(k, real64)**(-3)
            if (k == 10000) exit  ! beyond are 5e-9 of all photons
        end do
        product = uniform()
        product = product * uniform()
        product = product * uniform()
        energy_over_kt = -log(product) / k
    end function planck_energy

    ! ---- Input and output -----------------------------------------------------------------------

    subroutine read_input()
        character(len=256) :: file, message
        integer :: unit, status

        if (command_argument_count() >= 1) call get_command_argument(1, sampler_name)
        if (command_argument_count() >= 2) then
            call get_command_argument(2, file)
            open (newunit=unit, file=file, status='old', action='read', iostat=status, &
                iomsg=message)
            if (status == 0) read (unit, nml=source, iostat=status, iomsg=message)
            if (status /= 0) call refuse(trim(file) // ': ' // trim(message))
            close (unit)
        end if
        if (.not. (kt_kev > 0 .and. tau > 0 .and. seed_kev > 0)) &
            call refuse('kt_kev, tau and seed_kev must be positive')
        if (.not. (0 < energy_min_kev .and. energy_min_kev < energy_max_kev)) &
            call refuse('energies must be 0 < energy_min_kev < energy_max_kev')
        if (photons < 1 .or. bins < 1 .or. batch < 1) &
            call refuse('photons, bins and batch must be at least 1')
        if (seed_spectrum /= 'blackbody' .and. seed_spectrum /= 'monochromatic') &
            call refuse("seed_spectrum must be 'blackbody' or 'monochromatic'")
    end subroutine read_input

    subroutine refuse(message)
        character(len=*), intent(in) :: message

        write (error_unit, '(a)') 'comptonise: ' // message
        stop 2
    end subroutine refuse

    subroutine count_photon(x, x_seed)
        real(real64), intent(in) :: x, x_seed
        integer :: j

        born = born + x_seed
        born_squares = born_squares + x_seed**2
        escaped = escaped + x
        escaped_squares = escaped_squares + x**2
        born_escaped = born_escaped + x * x_seed
        j = floor(log(x / (energy_min_kev * kev)) / log_width()) + 1
        if (j < 1 .or. j > bins) return
        counts(j) = counts(j) + 1
        energy(j) = energy(j) + x
        squares(j) = squares(j) + x**2
    end subroutine count_photon

    real(real64) function log_width()
        log_width = log(energy_max_kev / energy_min_kev) / bins
    end function log_width

    ! E F_E is the escaping energy per ln E over the energy of the seed photons.
    subroutine write_spectrum()
        real(real64) :: width, scale
        integer :: unit, j

        width = log_width()
        scale = 1 / (born * width)
        open (newunit=unit, file=output, status='replace', action='write')
        write (unit, '(a, i0)') '# photons ', photons
        write (unit, '(a)') '# E_lo(keV) E_hi(keV) counts EFE error'
        do j = 1, bins
            write (unit, '(2es23.15, i12, 2es15.7)') &
                energy_min_kev * exp((j - 1) * width), energy_min_kev * exp(j * width), counts(j), &
                scale * energy(j), &
                scale * sqrt(max(squares(j) - energy(j)**2 / real(photons, real64), 0.0_real64))
        end do
        close (unit)
    end subroutine write_spectrum

    subroutine print_summary(seconds)
        real(real64), intent(in) :: seconds
        real(real64) :: gain, variance, seconds_of_scatterings

        gain = escaped / born
        variance = escaped_squares - 2 * gain * born_escaped + gain**2 * born_squares
        seconds_of_scatterings = real(ticks_of_scatterings, real64) / real(ticks_per_second, real64)
        print '(a, ", theta = ", es10.4, ", tau = ", es10.4)', trim(sampler_name), theta, tau
        print '("amplification       ", es10.4, " +- ", es8.2)', gain, sqrt(variance) / born
        print '("mean scatterings    ", es9.3)', real(scatterings, real64) / real(photons, real64)
        print '("photons per second  ", es9.3)', real(photons, real64) / seconds
        print '("ns per scattering   ", f0.1)', &
            1e9_real64 * seconds_of_scatterings / real(max(scatterings, 1_int64), real64)
        print '("share of scatterings", f6.3)', seconds_of_scatterings / seconds
    end subroutine print_summary

end program comptonise
